/*
 * report_html.h - the text of report.html, which the build makes a C file of (embed_text.py).
 */
#ifndef WEIGHTFS_INSPECT_PAGE_REPORT_HTML_H
#define WEIGHTFS_INSPECT_PAGE_REPORT_HTML_H

/* Holds "@DATA@" once, where the JSON goes. */
extern const char wfs_report_html[];

#endif
