/*
 * model_id.c - what a model's name says of it. A name is cut at "-"; each part is told for a version, a
 * type, a size or a word that fine-tuned models use, and the parts before the first that is none of
 * the name itself are the base's name. The regular expressions of metadata.py stand beside the functions
 * that match them; they are about ASCII, as nearly all names are.
 */
#include "gguf/general/model_id.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BASENAME = 1, SIZE = 2, FINETUNE = 4, VERSION = 8, TYPE = 16 };

struct part {
    char *text; /* in the arena */
    unsigned marks;
};
struct parts {
    struct wfs_arena *arena;
    struct part *part;
    size_t n;
};

/* ---- characters ---------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

static const char *skip_digits(const char *s)
{
    while (is_digit(*s))
        s++;
    return s;
}

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(s, *words) == 0)
            return true;
    return false;
}

/* ---- parts --------------------------------------------------------------------------------- */

/* \d+([.]\d+)* */
static bool is_dotted_number(const char *s)
{
    for (;; s++) {
        const char *end = skip_digits(s);
        if (end == s)
            return false;
        if (*end != '.')
            return !*end;
        s = end;
    }
}

/* (v|iter)?\d+([.]\d+)* */
static bool is_version(const char *s)
{
    if (strncasecmp(s, "iter", 4) == 0)
        return is_dotted_number(s + 4);
    return is_dotted_number(s + (tolower((unsigned char)*s) == 'v'));
}

/* i?q\d(_\w)*|b?fp?(16|32) */
static bool is_type(const char *s)
{
    static const char *const floats[] = {"f16",  "f32",   "fp16",  "fp32", "bf16",
                                         "bf32", "bfp16", "bfp32", NULL};
    const char *q = s + (tolower((unsigned char)*s) == 'i');
    if (tolower((unsigned char)q[0]) == 'q' && is_digit(q[1])) {
        for (q += 2; q[0] == '_' && (isalnum((unsigned char)q[1]) || q[1] == '_'); q += 2)
            ;
        if (!*q)
            return true;
    }
    return is_one_of(s, floats);
}

/* \d+([._]\d+)?[KMBT][\d]? */
static bool is_number_of(const char *s)
{
    const char *end = skip_digits(s);
    if (end == s)
        return false;
    if ((*end == '.' || *end == '_') && is_digit(end[1]))
        end = skip_digits(end + 1);
    if (!*end || !strchr("KMBTkmbt", *end))
        return false;
    end++;
    return !*end || (is_digit(*end) && !end[1]);
}

/* (([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl) */
static bool is_size(const char *s)
{
    static const char *const words[] = {"small", "mini", "medium", "large", "xl", "xxl", NULL};
    const char *digits = skip_digits(s);
    if (is_one_of(s, words) || is_number_of(s))
        return true;
    if (tolower((unsigned char)*s) == 'a')
        return is_number_of(s + 1);
    return digits > s && tolower((unsigned char)*digits) == 'x' && is_number_of(digits + 1);
}

/* A size that differs from the model's by more than 7/8 of it is a length: "128k". */
static bool is_far(const char *s, uint64_t n_params)
{
    size_t len = strlen(s);
    char *end, number[64];
    if (n_params == 0 || len - 1 >= sizeof(number))
        return false;
    memcpy(number, s, len - 1);
    number[len - 1] = 0;
    double value = is_digit(number[0]) ? strtod(number, &end) : 0;
    const char *letters = " KMBT", *found = strchr(letters, s[len - 1]);
    if (!is_digit(number[0]) || *end || !found)
        return false;
    double params = value * pow(1000, (double)(found - letters));
    return fabs(params - (double)n_params) > (double)(7 * n_params / 8);
}

static void mark_size(struct part *part, uint64_t n_params)
{
    char *s = part->text;
    size_t len = strlen(s);
    for (char *c = s; *c; c++)
        if (*c == '_')
            *c = '.';
    if (is_digit(s[len - 1])) { /* 7b1: there is room for the point */
        char letter = s[len - 2], digit = s[len - 1];
        snprintf(s + len - 2, 4, ".%c%c", digit, letter);
        len++;
    }
    if (len > 1 && is_digit(s[len - 2]))
        s[len - 1] = (char)toupper((unsigned char)s[len - 1]);
    part->marks = is_far(s, n_params) ? FINETUNE : SIZE;
    if (part->marks == FINETUNE)
        s[len - 1] = (char)tolower((unsigned char)s[len - 1]);
}

static void mark_part(struct part *part, bool is_first, uint64_t n_params)
{
    static const char *const tunes[] = {"chat", "instruct", "vision", "lora", NULL};
    if (is_version(part->text)) {
        part->marks = VERSION;
    } else if (is_type(part->text)) {
        part->marks = TYPE;
        for (char *c = part->text; *c; c++)
            *c = (char)toupper((unsigned char)*c);
    } else if (!is_first && is_size(part->text)) {
        mark_size(part, n_params);
    } else if (!is_first && is_one_of(part->text, tunes)) {
        part->marks = FINETUNE;
    }
}

/* "large" says nothing beside "7B". */
static void drop_words_of_size(struct parts *parts)
{
    bool has_number = false;
    for (size_t i = 0; i < parts->n; i++)
        has_number |= parts->part[i].marks & SIZE && strpbrk(parts->part[i].text, "0123456789");
    for (size_t i = 0; has_number && i < parts->n; i++)
        if (parts->part[i].marks & SIZE && !strpbrk(parts->part[i].text, "0123456789."))
            parts->part[i].marks &= ~(unsigned)SIZE;
}

static void mark_basename(struct parts *parts)
{
    bool at_start = true;
    for (size_t i = 0; i < parts->n; i++) {
        struct part *part = &parts->part[i];
        if (at_start && ((!part->marks && is_letter(part->text[0])) || part->marks & VERSION)) {
            part->marks |= BASENAME;
            continue;
        }
        at_start = false;
        if (!part->marks)
            part->marks = FINETUNE;
    }
    /* A version at the end is not the base's. */
    for (size_t i = parts->n; i-- > 0;) {
        struct part *part = &parts->part[i];
        if (!(part->marks & BASENAME) || part->marks == BASENAME)
            break;
        part->marks &= ~(unsigned)BASENAME;
    }
}

/* ---- a name -------------------------------------------------------------------------------- */

static int split(struct parts *parts, const char *name, struct wfs_error *err)
{
    parts->part = wfs_arena_array(parts->arena, strlen(name) + 1, sizeof(*parts->part));
    if (!parts->part)
        return wfs_error_nomem(err, name);
    for (const char *s = name; *s;) {
        size_t len = strcspn(s, "-");
        if (len) {
            char *text = wfs_arena_alloc(parts->arena, len + 2); /* one more for mark_size */
            if (!text)
                return wfs_error_nomem(err, name);
            memcpy(text, s, len);
            parts->part[parts->n++].text = text;
        }
        s += len + (s[len] == '-');
    }
    return 0;
}

static bool is_repeated(const struct parts *parts, size_t at, unsigned mark)
{
    for (size_t i = 0; i < at; i++)
        if (parts->part[i].marks & mark && strcmp(parts->part[i].text, parts->part[at].text) == 0)
            return true;
    return false;
}

/* The marked parts without those that `but` marks, joined; NULL: there are none. */
static int join(const struct parts *parts, unsigned mark, unsigned but, const char **ret,
                struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    *ret = NULL;
    for (size_t i = 0; i < parts->n; i++) {
        const struct part *part = &parts->part[i];
        if (!(part->marks & mark) || part->marks & but ||
            (mark == SIZE && is_repeated(parts, i, mark)))
            continue;
        if (buf.len)
            wfs_buf_char(&buf, '-');
        wfs_buf_str(&buf, part->text);
    }
    if (wfs_buf_ok(&buf) && (!buf.len || (*ret = wfs_arena_strdup(parts->arena, buf.data))))
        return 0;
    return wfs_error_nomem(err, "names");
}

static int join_all(const struct parts *parts, struct wfs_model_id *id, struct wfs_error *err)
{
    int r = join(parts, BASENAME, 0, &id->basename, err);
    if (!r)
        r = join(parts, SIZE, 0, &id->size_label, err);
    if (!r)
        r = join(parts, FINETUNE, 0, &id->finetune, err);
    if (!r)
        r = join(parts, VERSION, BASENAME, &id->version, err);
    if (!id->size_label && !id->finetune && !id->version)
        id->basename = NULL; /* too ambiguous */
    return r;
}

int wfs_model_id_parse(struct wfs_arena *arena, const char *name, uint64_t n_params,
                       struct wfs_model_id *ret, struct wfs_error *err)
{
    struct wfs_model_id id = {.full = name};
    struct parts parts = {.arena = arena};
    const char *slash = strchr(name, '/');
    if (strchr(name, ' ')) { /* a sentence */
        *ret = id;
        return 0;
    }
    if (slash) {
        id.full = slash + 1;
        id.org = name[0] == '.' ? NULL : wfs_arena_strndup(arena, name, (size_t)(slash - name));
        if (!id.org && name[0] != '.')
            return wfs_error_nomem(err, name);
    }
    int r = split(&parts, id.full, err);
    for (size_t i = 0; !r && i < parts.n; i++)
        mark_part(&parts.part[i], i == 0, n_params);
    if (r)
        return r;
    drop_words_of_size(&parts);
    mark_basename(&parts);
    r = join_all(&parts, &id, err);
    if (!r)
        *ret = id;
    return r;
}

/* ---- titles and sizes ---------------------------------------------------------------------- */

/* Has letters, and all of them are small; and does not begin as ^(v\d+(?:\.\d+)*|\d.*)$ says. */
static bool is_lower_word(const char *s, size_t len)
{
    bool has_small = false;
    for (size_t i = 0; i < len; i++) {
        if (isupper((unsigned char)s[i]))
            return false;
        has_small |= islower((unsigned char)s[i]) != 0;
    }
    if (!has_small || is_digit(s[0]))
        return false;
    if (s[0] != 'v')
        return true;
    size_t i = 1;
    while (i < len && (is_digit(s[i]) || (s[i] == '.' && is_digit(s[i - 1]))))
        i++;
    return i < len || len == 1 || s[len - 1] == '.';
}

static void add_title(struct wfs_buf *out, const char *s, size_t len)
{
    bool is_lower = is_lower_word(s, len);
    for (size_t i = 0; i < len; i++)
        wfs_buf_char(out, is_lower && (i == 0 || !is_letter(s[i - 1]))
                              ? (char)toupper((unsigned char)s[i])
                              : s[i]);
}

const char *wfs_model_title(struct wfs_arena *arena, const char *name)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    static const char blanks[] = "- \t\n\v\f\r";
    for (const char *s = name + strspn(name, blanks); *s; s += strspn(s, blanks)) {
        size_t len = strcspn(s, blanks);
        if (buf.len)
            wfs_buf_char(&buf, ' ');
        add_title(&buf, s, len);
        s += len;
    }
    return wfs_buf_ok(&buf) ? wfs_arena_strdup(arena, buf.len ? buf.data : "") : NULL;
}

const char *wfs_model_size(struct wfs_arena *arena, uint64_t n_params)
{
    static const struct {
        double above, unit;
        char letter;
    } rows[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    size_t i = 0;
    while ((double)n_params <= rows[i].above)
        i++;
    double scaled = (double)n_params * rows[i].unit;
    double whole = nearbyint(scaled); /* to even, as Python's round */
    int n_digits = whole < 1 ? 0 : whole < 10 ? 1 : 2;
    return wfs_arena_printf(arena, "%.*f%c", 2 - n_digits, scaled, rows[i].letter);
}
