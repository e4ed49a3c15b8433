/*
 * report_html.h - report.html as it was compiled in.
 */
#ifndef WEIGHTFS_INSPECT_PAGE_REPORT_HTML_H
#define WEIGHTFS_INSPECT_PAGE_REPORT_HTML_H

/* Holds "@DATA@" once, where the JSON goes. */
extern const char wfs_report_html[];

#endif
