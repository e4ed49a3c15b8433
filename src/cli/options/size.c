/*
 * size.c - sizes as people write them. Units are binary, as in cache_size=10G.
 */
#include "cli/options/size.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT 9.0e18 /* below 2^63 */

int wfs_options_parse_size(const char *text, uint64_t *ret, struct wfs_error *err)
{
    static const char units[] = "KMGTP";
    char *end;
    double value = strtod(text, &end);
    if (!isdigit((unsigned char)*text) || (size_t)(end - text) != strspn(text, "0123456789."))
        return wfs_error_set(err, EINVAL, "\"%s\" is not a size (like 64M or 10G)", text);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        value = ldexp(value, 10 * (int)(unit - units + 1));
        end += end[1] == 'i' ? 2 : 1;
    }
    end += *end == 'B';
    if (*end || !(value >= 1 && value < SIZE_LIMIT))
        return wfs_error_set(err, EINVAL, "\"%s\" is not a size (like 64M or 10G)", text);
    *ret = (uint64_t)value;
    return 0;
}
