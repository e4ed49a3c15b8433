/*
 * page.h (private) - report.html as it was compiled in.
 */
#ifndef INSPECT_PAGE_H
#define INSPECT_PAGE_H

/* Holds "@DATA@" once, where the JSON goes. */
extern const char wfs_report_html[];

#endif
