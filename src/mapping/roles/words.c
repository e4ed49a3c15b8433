/*
 * words.c - names of modules, taken apart: at what is no letter and where a capital begins a word.
 *
 * Of several words that say something the last one counts: embedding_projection is a projection,
 * embed_out as well. Embeddings of what is no list of numbered things (patches, pixels, inputs) are
 * mostly projections, so that such a name alone settles nothing.
 */
#include "mapping/roles/words.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 32

/* Words that say what a weight is. A leading '=' stands for the whole name of the module. */
static const struct {
    enum wfs_word_hint hint;
    const char *words;
} sayings[] = {
    {WFS_HINT_EMBEDDING, " embed embeds embedding embeddings embedder embedders emb embs wte wpe "
                         "codebook codebooks lut "
                         "lookup vocab token tokens tok table "},
    {WFS_HINT_TABLE, " =shared =relative_attention_bias "},
    {WFS_HINT_DENSE,
     " proj projs projection projections projector project dense linear lin fc mlp head heads "
     "classifier out output router gate up down qkv kv to ffw ffn reduction wi wo wq wk wv wqkv "
     "attn mapper "
     "logits receptance unembed unembedding =decoder =q =k =v =o =query =key =value "
     "=query_key_value pooler relationship "},
    {WFS_HINT_CONVOLUTION, " conv convs convolution convolutional deconv conva convb downsample "
                           "dwconv upconv downsampler "
                           "upsample upsampler =shortcut convd convtr "},
    {WFS_HINT_EXPERTS, " expert experts "},
    {WFS_HINT_BILINEAR, " bilinear "},
};
static const char weakening[] = " input inputs patch patches pixel pixels image images vision "
                                "visual audio feature features feat frame frames timestep value "
                                "values continuous context cond condition conditioning embedder "
                                "embedders global x t guidance ";
static const char strengthening[] = " token tokens tok position positions pos type word words "
                                    "vocab speaker language char ";

/* With a projection's name: a table's all the same. */
static const char projection[] = " proj projection linear ";
static const char counted[] = " token tokens position positions pos type word words time timestep "
                              "timesteps class label labels speaker ";

static bool is_in(const char *list, const char *word, size_t len)
{
    for (const char *at = list; len && (at = strstr(at, word)); at++)
        if (at > list && at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

static enum wfs_word_hint says(const char *word)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(sayings); i++)
        if (is_in(sayings[i].words, word, strlen(word)))
            return sayings[i].hint;
    return WFS_HINT_NONE;
}

/* The next word in lower case, without digits behind it; *ret_numbered says that there are some. */
static const char *next_word(const char *s, const char *end, char word[WORD_MAX],
                             bool *ret_numbered)
{
    size_t n = 0;
    while (s < end && !isalpha((unsigned char)*s))
        s++;
    for (const char *start = s; s < end && isalpha((unsigned char)*s); s++) {
        bool begins = isupper((unsigned char)*s) && s > start && islower((unsigned char)s[-1]);
        if (begins)
            break;
        if (n + 1 < WORD_MAX)
            word[n++] = (char)tolower((unsigned char)*s);
    }
    word[n] = 0;
    *ret_numbered = s < end && isdigit((unsigned char)*s);
    return s;
}

static enum wfs_word_hint hint_of(const char *s, const char *end)
{
    enum wfs_word_hint hint = WFS_HINT_NONE;
    bool is_weak = false, is_strong = false, is_counted = false, is_projection = false, numbered;
    char word[WORD_MAX];
    for (s = next_word(s, end, word, &numbered); word[0]; s = next_word(s, end, word, &numbered)) {
        enum wfs_word_hint said = says(word);
        if (word[0] == 'w' && !word[1] && numbered)
            said = WFS_HINT_DENSE;
        hint = said ? said : hint;
        is_weak |= is_in(weakening, word, strlen(word));
        is_strong |= is_in(strengthening, word, strlen(word));
        is_counted |= is_in(counted, word, strlen(word));
        is_projection |= is_in(projection, word, strlen(word));
    }
    if (hint == WFS_HINT_DENSE && is_counted && is_projection)
        return WFS_HINT_WEAK_DENSE;
    return hint == WFS_HINT_EMBEDDING && is_weak && !is_strong ? WFS_HINT_WEAK_EMBEDDING : hint;
}

static bool is_number(const char *s, const char *end)
{
    for (; s < end; s++)
        if (!isdigit((unsigned char)*s))
            return false;
    return true;
}

/* What adapters put between a module and its weight. */
static bool is_wrapper(const char *s, const char *end)
{
    static const char *const names[] = {"base_layer", "original_module"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == (size_t)(end - s) && memcmp(names[i], s, (size_t)(end - s)) == 0)
            return true;
    return false;
}

enum wfs_word_hint wfs_word_hint(const char *weight_path)
{
    const char *end = strrchr(weight_path, WFS_SEP), *s = weight_path;
    char whole[WORD_MAX + 1] = "=";
    for (; end; end = s > weight_path ? s - 1 : NULL) {
        const char *sep = memrchr(weight_path, WFS_SEP, (size_t)(end - weight_path));
        s = sep ? sep + 1 : weight_path;
        if (!is_number(s, end) && !is_wrapper(s, end))
            break;
    }
    if (!end)
        return WFS_HINT_NONE;
    if (end - s < WORD_MAX) {
        memcpy(whole + 1, s, (size_t)(end - s));
        whole[1 + (end - s)] = 0;
        if (says(whole))
            return says(whole);
    }
    return hint_of(s, end);
}
