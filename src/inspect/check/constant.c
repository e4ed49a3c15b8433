/*
 * constant.c - what names say about constants. Only the tensor's own name and its module's (of
 * which digits and the `value` of a boxed parameter are passed over) count, and whole words of
 * them: "upscale" is no scale.
 */
#include "inspect/check/constant.h"

#include <ctype.h>
#include <string.h>

/* Words that the name of such a tensor itself has. */
static const char *const tensor_words[] = {"bias",  "biases", "b",    "beta", "gamma",
                                           "scale", "scales", "mean", "var",  "lambda"};
/* Words that the name of its module has. A word that ends with "norm" is one of either
 * ("layernorm", "rmsnorm"). */
static const char *const module_words[] = {"bn", "ln", "gn", "norms"};

/* The next word of [*at, end): letters and digits, split before capitals ("LayerNorm"). */
static size_t next_word(const char **at, const char *end)
{
    const char *p = *at, *start;
    while (p < end && !isalnum((unsigned char)*p))
        p++;
    start = p;
    while (p < end && isalnum((unsigned char)*p) &&
           (p == start || !isupper((unsigned char)*p) || isupper((unsigned char)p[-1])))
        p++;
    *at = p;
    return (size_t)(p - start);
}

static bool word_is(const char *word, size_t len, const char *wanted)
{
    size_t digits = 0;
    while (digits < len && isdigit((unsigned char)word[len - 1 - digits]))
        digits++;
    return (strlen(wanted) == len && strncasecmp(word, wanted, len) == 0) ||
           (strlen(wanted) == len - digits && strncasecmp(word, wanted, len - digits) == 0);
}

static bool ends_with_norm(const char *word, size_t len)
{
    while (len && isdigit((unsigned char)word[len - 1]))
        len--;
    return len >= 4 && strncasecmp(word + len - 4, "norm", 4) == 0;
}

static bool has_word(const char *start, const char *end, const char *const *words, size_t n)
{
    for (const char *at = start; at < end;) {
        size_t len = next_word(&at, end);
        if (ends_with_norm(at - len, len))
            return true;
        for (size_t i = 0; i < n && len; i++)
            if (word_is(at - len, len, words[i]))
                return true;
    }
    return false;
}

static bool is_number(const char *start, const char *end)
{
    while (start < end && isdigit((unsigned char)*start))
        start++;
    return start == end;
}

/* Finds where the component begins that ends at `end`. */
static const char *component_before(const char *path, const char *end)
{
    while (end > path && end[-1] != WFS_SEP)
        end--;
    return end;
}

bool wfs_constant_is_usual(const char *path)
{
    const char *end = path + strlen(path), *start = component_before(path, end);
    if (start > path && strcmp(start, "value") == 0) {
        end = start - 1;
        start = component_before(path, end);
    }
    if (has_word(start, end, tensor_words, WFS_ARRAY_SIZE(tensor_words)))
        return true;
    while (start > path) {
        end = start - 1;
        start = component_before(path, end);
        if (!is_number(start, end))
            return has_word(start, end, module_words, WFS_ARRAY_SIZE(module_words));
    }
    return false;
}
