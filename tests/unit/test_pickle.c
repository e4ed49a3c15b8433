/*
 * test_pickle.c - the pickle machine: every opcode of protocols 0-5, what it refuses, what it
 * never does. Pickles are written out as bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source/torch/pickle/pickle.h"

struct run {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    struct wfs_cursor *cur;
    struct wfs_pickle pickle;
    struct wfs_error err;
    int result;
};

static struct run run_bytes(const void *data, size_t len)
{
    struct run r = {.arena = wfs_arena_new(), .cur = malloc(sizeof(struct wfs_cursor))};
    assert_non_null(r.arena);
    assert_non_null(r.cur);
    assert_int_equal(wfs_bytes_from_memory("test.pkl", data, len, &r.bytes, &r.err), 0);
    assert_int_equal(wfs_cursor_init(r.cur, r.bytes, 0, len, &r.err), 0);
    r.result = wfs_pickle_parse(r.arena, r.cur, &r.pickle, &r.err);
    assert_int_equal(r.result == 0, r.err.code == 0);
    return r;
}

static void done(struct run *r)
{
    wfs_bytes_unref(r->bytes);
    wfs_arena_free(r->arena);
    free(r->cur);
}

#define RUN(literal) run_bytes(literal, sizeof(literal) - 1)

static void refuse(const void *data, size_t len, const char *why)
{
    struct run r = run_bytes(data, len);
    assert_int_not_equal(r.result, 0);
    if (!strstr(r.err.message, why))
        fail_msg("'%s' does not say '%s'", r.err.message, why);
    assert_non_null(strstr(r.err.message, "test.pkl"));
    done(&r);
}

#define REFUSE(literal, why) refuse(literal, sizeof(literal) - 1, why)

static void expect_int(const void *data, size_t len, int64_t value)
{
    struct run r = run_bytes(data, len);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->kind, WFS_NODE_INT);
    assert_true(r.pickle.root->i == value);
    done(&r);
}

#define EXPECT_INT(literal, value) expect_int(literal, sizeof(literal) - 1, value)

static void expect_text(const void *data, size_t len, int kind, const char *text, size_t n)
{
    struct run r = run_bytes(data, len);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->kind, kind);
    assert_int_equal(r.pickle.root->str->len, n);
    assert_memory_equal(r.pickle.root->str->data, text, n);
    done(&r);
}

#define EXPECT_TEXT(literal, kind, text)                                                           \
    expect_text(literal, sizeof(literal) - 1, kind, text, sizeof(text) - 1)

/* ---- values -------------------------------------------------------------------------------- */

static void test_pickle__integers(void **state)
{
    (void)state;
    EXPECT_INT("K\x07.", 7);
    EXPECT_INT("M\x01\x02.", 0x201);
    EXPECT_INT("J\xff\xff\xff\xff.", -1);
    EXPECT_INT("\x8a\x00.", 0);
    EXPECT_INT("\x8a\x01\xff.", -1);
    EXPECT_INT("\x8a\x02\xff\x00.", 255);
    EXPECT_INT("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", INT64_MIN);
    EXPECT_INT("\x8b\x02\x00\x00\x00\x00\x80.", -32768);
    EXPECT_INT("I42\n.", 42);
    EXPECT_INT("I-3\n.", -3);
    EXPECT_INT("L123L\n.", 123);
    EXPECT_INT("L-9223372036854775808L\n.", INT64_MIN);
    struct run r = RUN("L18446744073709551615L\n.");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->kind, WFS_NODE_LONG);
    assert_int_equal(r.pickle.root->str->len, 16);
    assert_memory_equal(r.pickle.root->str->data,
                        "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16);
    done(&r);
    r = RUN("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00.");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->kind, WFS_NODE_LONG);
    assert_int_equal(r.pickle.root->str->len, 9);
    done(&r);
}

static void test_pickle__floats_and_constants(void **state)
{
    (void)state;
    struct run r = RUN("\x80\x04G\x3f\xf8\x00\x00\x00\x00\x00\x00.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_FLOAT);
    assert_true(r.pickle.root->f == 1.5);
    done(&r);
    r = RUN("F-2.5e3\n.");
    assert_true(r.pickle.root->f == -2500.0);
    done(&r);
    r = RUN("(N\x88\x89I01\nI00\nt.");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->n, 5);
    assert_int_equal(r.pickle.root->items[0]->kind, WFS_NODE_NONE);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(r.pickle.root->items[i]->kind, WFS_NODE_BOOL);
        assert_int_equal(r.pickle.root->items[i]->i, i % 2);
    }
    done(&r);
}

static void test_pickle__strings(void **state)
{
    (void)state;
    EXPECT_TEXT("U\x02hi.", WFS_NODE_STR, "hi");
    EXPECT_TEXT("T\x02\0\0\0hi.", WFS_NODE_STR, "hi");
    EXPECT_TEXT("X\x03\0\0\0\xe2\x82\xac.", WFS_NODE_STR, "\xe2\x82\xac");
    EXPECT_TEXT("\x8c\x02hi.", WFS_NODE_STR, "hi");
    EXPECT_TEXT("\x8d\x02\0\0\0\0\0\0\0hi.", WFS_NODE_STR, "hi");
    EXPECT_TEXT("\x8c\x03"
                "a\0b.",
                WFS_NODE_STR, "a\0b");
    EXPECT_TEXT("C\x02hi.", WFS_NODE_BYTES, "hi");
    EXPECT_TEXT("B\x02\0\0\0\xff\xfe.", WFS_NODE_BYTES, "\xff\xfe");
    EXPECT_TEXT("\x8e\x02\0\0\0\0\0\0\0hi.", WFS_NODE_BYTES, "hi");
    EXPECT_TEXT("\x96\x02\0\0\0\0\0\0\0hi.", WFS_NODE_BYTES, "hi");
    EXPECT_TEXT("U\x01\xff.", WFS_NODE_BYTES, "\xff"); /* Python 2 text that is no text */
    EXPECT_TEXT("X\x03\0\0\0\xed\xa0\x80.", WFS_NODE_BYTES, "\xed\xa0\x80"); /* lone surrogate */
    EXPECT_TEXT("S'a\\'\\n\\x41\\101\\\\'\n.", WFS_NODE_STR, "a'\nAA\\");
    EXPECT_TEXT("S\"q\"\n.", WFS_NODE_STR, "q");
    EXPECT_TEXT("Va\\u20acb\xe9\\n\n.", WFS_NODE_STR,
                "a\xe2\x82\xac"
                "b\xc3\xa9\\n");
    EXPECT_TEXT("V\\U0001f600\n.", WFS_NODE_STR, "\xf0\x9f\x98\x80");
    REFUSE("S'a\n.", "escape");
    EXPECT_TEXT("S'\\x41'\n.", WFS_NODE_STR, "A"); /* the quote is next to the last digit */
    REFUSE("S'\\xg0'\n.", "escape");
    REFUSE("S'\\x4'\n.", "escape");
    REFUSE("V\\u12\n.", "escape");
}

static void test_pickle__long_strings_stay_in_the_file(void **state)
{
    (void)state;
    size_t len = (1u << 20) + 1;
    char *data = calloc(1, len + 8);
    assert_non_null(data);
    memcpy(data, "X\x01\x00\x10\x00", 5);
    memset(data + 5, 'a', len);
    data[5 + len] = '.';
    struct run r = run_bytes(data, len + 6);
    assert_int_equal(r.result, 0);
    assert_null(r.pickle.root->str->data);
    assert_null(wfs_node_text(r.pickle.root));
    assert_int_equal(r.pickle.root->str->len, len);
    assert_int_equal(r.pickle.root->file_off, 5);
    assert_true(wfs_arena_size_bytes(r.arena) < len);
    done(&r);
    free(data);
}

/* ---- containers ---------------------------------------------------------------------------- */

static void test_pickle__containers(void **state)
{
    (void)state;
    struct run r = RUN("(K\x01K\x02l.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_LIST);
    assert_int_equal(r.pickle.root->n, 2);
    done(&r);
    r = RUN("](K\x01K\x02"
            "eK\x03"
            "a.");
    assert_int_equal(r.pickle.root->n, 3);
    assert_int_equal(wfs_node_item(r.pickle.root, 2)->i, 3);
    assert_null(wfs_node_item(r.pickle.root, 3));
    done(&r);
    r = RUN("}(U\x01"
            "aK\x01U\x01"
            "bK\x02uU\x01"
            "cK\x03s.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_DICT);
    assert_int_equal(r.pickle.root->n, 3);
    assert_int_equal(wfs_node_get(r.pickle.root, "c")->i, 3);
    assert_null(wfs_node_get(r.pickle.root, "d"));
    done(&r);
    r = RUN("(U\x01"
            "aK\x01U\x01"
            "aK\x02"
            "d.");
    assert_int_equal(wfs_node_get(r.pickle.root, "a")->i, 2);
    done(&r);
    r = RUN("\x8f(K\x01\x90.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_SET);
    assert_int_equal(r.pickle.root->n, 1);
    done(&r);
    r = RUN("(K\x01\x91.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_SET);
    done(&r);
    r = RUN("K\x01K\x02K\x03\x87\x85.");
    assert_int_equal(r.pickle.root->kind, WFS_NODE_TUPLE);
    assert_int_equal(r.pickle.root->items[0]->n, 3);
    assert_int_equal(r.pickle.root->items[0]->items[0]->i, 1);
    done(&r);
    REFUSE("}(K\x01u.", "key without a value");
    REFUSE("K\x01K\x02"
           "a.",
           "holds none");
}

static void test_pickle__many_items(void **state)
{
    (void)state;
    enum { N = 5000 };
    uint8_t data[2 * N + 4], *p = data;
    *p++ = ']';
    *p++ = '(';
    for (int i = 0; i < N; i++) {
        *p++ = 'K';
        *p++ = (uint8_t)i;
    }
    *p++ = 'e';
    *p++ = '.';
    struct run r = run_bytes(data, sizeof(data));
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.root->n, N);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(r.pickle.root->items[i]->i, (uint8_t)i);
    assert_true(r.pickle.n_nodes < 300); /* small integers are shared */
    done(&r);
}

static void test_pickle__memo(void **state)
{
    (void)state;
    struct run r = RUN("]q\x00"
                       "h\x00"
                       "a.");
    assert_int_equal(r.result, 0);
    assert_ptr_equal(r.pickle.root->items[0], r.pickle.root); /* contains itself */
    done(&r);
    r = RUN("\x8c\x01x\x94\x8c\x01y\x94h\x00j\x01\x00\x00\x00g0\n\x87.");
    assert_int_equal(r.result, 0);
    assert_string_equal(wfs_node_text(r.pickle.root->items[0]), "x");
    assert_string_equal(wfs_node_text(r.pickle.root->items[1]), "y");
    done(&r);
    r = RUN("]p0\n0g0\n2\x86.");
    assert_int_equal(r.result, 0);
    done(&r);
    REFUSE("h\x05.", "never put");
    REFUSE("N"
           "r\xff\xff\xff\x7f.",
           "proportion");
    REFUSE("Np99999999999\n.", "proportion");
    REFUSE("Np-1\n.", "no number");
    REFUSE("q\x00.", "empty");
}

static void test_pickle__marks_and_pops(void **state)
{
    (void)state;
    EXPECT_INT("K\x05(K\x01K\x02\x31.", 5);
    EXPECT_INT("K\x05(0.", 5);
    EXPECT_INT("K\x05K\x06\x30.", 5);
    REFUSE("0.", "empty");
    REFUSE("1.", "no mark");
    REFUSE("t.", "no mark");
    REFUSE("K\x01(\x85.", "empty"); /* not through a mark */
    REFUSE("K\x01(.", "without an object");
    REFUSE(".", "without an object");
}

static void test_pickle__persistent_ids(void **state)
{
    (void)state;
    struct run r = RUN("(U\x07storageK\x01tQPabc\n\x86.");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.n_persids, 2);
    assert_int_equal(r.pickle.persids[0]->kind, WFS_NODE_PERSID);
    assert_true(wfs_node_is_str(r.pickle.persids[0]->items[0]->items[0], "storage"));
    assert_true(wfs_node_is_str(r.pickle.persids[1]->items[0], "abc"));
    done(&r);
}

/* ---- globals and calls --------------------------------------------------------------------- */

static const struct wfs_node *only(struct run *r, int kind)
{
    if (r->result)
        fail_msg("%s", r->err.message);
    assert_int_equal(r->pickle.root->kind, kind);
    return r->pickle.root;
}

static void test_pickle__plain_containers_are_made(void **state)
{
    (void)state;
    struct run r = RUN("ccollections\nOrderedDict\n)RU\x01"
                       "aK\x01s}b.");
    assert_int_equal(wfs_node_get(only(&r, WFS_NODE_DICT), "a")->i, 1);
    done(&r);
    r = RUN("ccollections\nOrderedDict\n(](]U\x01"
            "aaK\x01"
            "aaltR.");
    done(&r);
    r = RUN("ccollections\nOrderedDict\n]U\x01"
            "aK\x01\x86"
            "a\x85R.");
    assert_int_equal(wfs_node_get(only(&r, WFS_NODE_DICT), "a")->i, 1);
    done(&r);
    r = RUN("\x8c\x0b"
            "collections\x8c\x0b"
            "defaultdict\x93\x8c\x08"
            "builtins\x8c\x03int\x93\x85R"
            "U\x01"
            "aK\x02s.");
    assert_int_equal(wfs_node_get(only(&r, WFS_NODE_DICT), "a")->i, 2);
    done(&r);
    r = RUN("cargparse\nNamespace\n)\x81}U\x02lrK\x03sb.");
    assert_int_equal(wfs_node_get(only(&r, WFS_NODE_DICT), "lr")->i, 3);
    done(&r);
    r = RUN("ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR}"
            "U\x02lrK\x03sb.");
    assert_int_equal(wfs_node_get(only(&r, WFS_NODE_DICT), "lr")->i, 3);
    done(&r);
    r = RUN("ctorch\nSize\nK\x02K\x03\x86\x85R.");
    assert_int_equal(only(&r, WFS_NODE_TUPLE)->n, 2);
    done(&r);
    r = RUN("c__builtin__\nset\n]K\x01"
            "a\x85R.");
    assert_int_equal(only(&r, WFS_NODE_SET)->n, 1);
    done(&r);
    EXPECT_TEXT("c_codecs\nencode\nX\x03\0\0\0a\xc3\xbfX\x06\0\0\0latin1\x86R.", WFS_NODE_BYTES,
                "a\xff");
    EXPECT_TEXT("c__builtin__\nbytearray\nC\x02xy\x85R.", WFS_NODE_BYTES, "xy");
    EXPECT_TEXT("c__builtin__\nbytes\n)R.", WFS_NODE_BYTES, "");
}

static void test_pickle__calls_are_written_down(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {
#define CASE(s) {s, sizeof(s) - 1}
        CASE("cfoo\nBar\nK\x01\x85R."),                 /* REDUCE */
        CASE("(K\x01ifoo\nBar\n."),                     /* INST */
        CASE("(cfoo\nBar\nK\x01o."),                    /* OBJ */
        CASE("cfoo\nBar\nK\x01\x85\x81."),              /* NEWOBJ */
        CASE("cfoo\nBar\nK\x01\x85}U\x01kK\x02s\x92."), /* NEWOBJ_EX */
        CASE("\x8c\x03"
             "foo\x8c\x03"
             "Bar\x93K\x01\x85R."), /* STACK_GLOBAL */
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        struct run r = run_bytes(cases[i].data, cases[i].len);
        const struct wfs_node *node = only(&r, WFS_NODE_CALL);
        assert_string_equal(node->call->callee->global->module, "foo");
        assert_string_equal(node->call->callee->global->name, "Bar");
        assert_int_equal(wfs_node_item(node->call->args, 0)->i, 1);
        assert_int_equal(r.pickle.n_dangers, 0);
        done(&r);
    }
    struct run r = RUN("cfoo\nBar\n)\x81}U\x01"
                       "aK\x01sb(K\x05"
                       "eU\x01kK\x06s.");
    const struct wfs_node_call *call = only(&r, WFS_NODE_CALL)->call;
    assert_true(call->is_instance);
    assert_int_equal(wfs_node_get(call->state, "a")->i, 1);
    assert_int_equal(wfs_node_item(call->items, 0)->i, 5);
    assert_int_equal(wfs_node_get(call->entries, "k")->i, 6);
    done(&r);
    r = RUN("\x82\x07)R.");
    only(&r, WFS_NODE_CALL);
    done(&r);
    r = RUN("\x97\x98.");
    only(&r, WFS_NODE_GLOBAL);
    done(&r);
    REFUSE("cfoo\nBar\nK\x01R.", "no tuple");
    REFUSE("cfoo\nBar\nK\x01\x81.", "no tuple");
    REFUSE("(o.", "without a class");
    REFUSE("K\x01K\x02\x93.", "no text");
}

static void expect_danger(const void *data, size_t len, const char *name)
{
    struct run r = run_bytes(data, len);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.n_dangers, 1);
    assert_string_equal(r.pickle.dangers[0].name, name);
    done(&r);
}

#define EXPECT_DANGER(literal, name) expect_danger(literal, sizeof(literal) - 1, name)

static void test_pickle__attacks_are_named(void **state)
{
    (void)state;
    EXPECT_DANGER("cos\nsystem\n(S'id'\ntR.", "os.system");
    EXPECT_DANGER("cposix\nsystem\n(S'id'\ntR.", "posix.system");
    EXPECT_DANGER("cnt\nsystem\n(S'id'\ntR.", "nt.system");
    EXPECT_DANGER("(S'id'\nios\nsystem\n.", "os.system");
    EXPECT_DANGER("(cos\nsystem\nS'id'\no.", "os.system");
    EXPECT_DANGER("csubprocess\nPopen\n)\x81.", "subprocess.Popen");
    EXPECT_DANGER("cbuiltins\neval\n)}\x92.", "builtins.eval");
    EXPECT_DANGER("c__builtin__\nexec\n)R.", "__builtin__.exec");
    EXPECT_DANGER("cbuiltins\n__import__\n)R.", "builtins.__import__");
    EXPECT_DANGER("cbuiltins\ngetattr\n)R.", "builtins.getattr");
    EXPECT_DANGER("\x8c\x08"
                  "builtins\x8c\x10getattr.__call__\x93)R.",
                  "builtins.getattr.__call__");
    EXPECT_DANGER("\x8c\x05numpy\x8c\x09os.system\x93)R.", "numpy.os.system");
    EXPECT_DANGER("cpickle\nloads\n)R.", "pickle.loads");
    EXPECT_DANGER("ctorch\nload\n)R.", "torch.load");
    EXPECT_DANGER("crunpy\nrun_module\n)R.", "runpy.run_module");
    EXPECT_DANGER("cos.path\njoin\n.", "os.path.join");
    EXPECT_DANGER("cos\nsystem\ncos\nsystem\n\x86.", "os.system");
    EXPECT_DANGER("ctorch.hub\nload\n)R.", "torch.hub.load");
    assert_false(wfs_global_is_dangerous("torch._utils", "_rebuild_tensor_v2"));
    assert_true(wfs_global_is_dangerous("osmosis", "system"));
    assert_true(wfs_global_is_dangerous("numpy.distutils_of_mine", "check_output"));
    assert_true(wfs_global_is_dangerous("__builtin__", "reduce"));
    assert_true(wfs_global_is_dangerous("torch.fx.graph_module", "reduce_graph_module"));
    assert_true(wfs_global_is_dangerous("torch.jit.unsupported_tensor_ops", "execWrapper"));
    assert_true(wfs_global_is_dangerous("pathlib", "PosixPath.write_text"));
    assert_true(wfs_global_is_dangerous("torch._dynamo.guards", "GuardBuilder.get"));
    assert_true(wfs_global_is_dangerous("torch._dynamo.repro.after_aot", "repro_run"));
    assert_false(wfs_global_is_dangerous("torch._dynamo.decorators", "_DimRange"));
    assert_false(wfs_global_is_dangerous("osmosis", "water"));
    char dots[8192];
    memset(dots, '.', sizeof(dots) - 1);
    dots[sizeof(dots) - 1] = 0;
    assert_true(wfs_global_is_dangerous(dots, "water"));
    assert_true(wfs_global_is_dangerous("osmosis", dots));
    assert_false(wfs_global_is_dangerous("osmosis", "systems"));
    assert_false(wfs_global_is_dangerous("torch.fx.graph_module", "GraphModule"));
    assert_false(wfs_global_is_dangerous("torch.jit._script", "RecursiveScriptModule"));
    assert_false(wfs_global_is_dangerous("collections", "OrderedDict"));
    assert_false(wfs_global_is_dangerous("pathlib", "PosixPath"));
}

/* ---- hostile ------------------------------------------------------------------------------- */

static void test_pickle__cut_off_everywhere(void **state)
{
    (void)state;
    static const char whole[] = "\x80\x04\x95\x20\0\0\0\0\0\0\0}\x94(\x8c\x01"
                                "a\x94K\x01\x8c\x01"
                                "b\x94"
                                "ctorch\nSize\nX\x02\0\0\0hi\x85Ru.";
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        struct run r = run_bytes(whole, len);
        assert_int_not_equal(r.result, 0);
        done(&r);
    }
    struct run r = RUN(whole);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.pickle.end_off, sizeof(whole) - 1);
    done(&r);
}

static void test_pickle__bombs(void **state)
{
    (void)state;
    REFUSE("\x8b\x01\x04\x00\x00.", "1024 bytes");
    REFUSE("\x8b\xff\xff\xff\xff.", "1024 bytes");
    REFUSE("X\xff\xff\xff\xff.", "cut off");
    REFUSE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "cut off");
    REFUSE("L999999999999999999999999999999999999999L\n.", "digits");
    REFUSE("Iabc\n.", "digits");
    REFUSE("Fabc\n.", "none");
    REFUSE("\x80\x06N.", "newer");
    REFUSE("\xff.", "no opcode 0xff");
    REFUSE("\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "frame");
    enum { N = 70000 };
    char *marks = malloc(N);
    assert_non_null(marks);
    memset(marks, '(', N);
    refuse(marks, N, "marks");
    free(marks);
}

/* OrderedDict(list) copies the list; a few bytes must not do so again and again. */
static void test_pickle__copies_are_charged(void **state)
{
    (void)state;
    struct wfs_buf b = {0};
    wfs_buf_str(&b, "](");
    for (int i = 0; i < 1000; i++)
        wfs_buf_add(&b, "K\x01", 2);
    wfs_buf_add(&b,
                "eq\x00"
                "0c__builtin__\nlist\nq\x01",
                24);
    for (int i = 0; i < 1000; i++)
        wfs_buf_add(&b, "0h\x01h\x00\x85R", 7);
    wfs_buf_str(&b, ".");
    assert_true(wfs_buf_ok(&b));
    refuse(b.data, b.len, "multiply");
    wfs_buf_free(&b);
}

static void test_pickle__stack_is_bounded(void **state)
{
    (void)state;
    size_t n = (1u << 22) + 16;
    char *data = malloc(n);
    assert_non_null(data);
    memset(data, '2', n);
    data[0] = 'N';
    refuse(data, n, "too deep");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pickle__integers),
        cmocka_unit_test(test_pickle__floats_and_constants),
        cmocka_unit_test(test_pickle__strings),
        cmocka_unit_test(test_pickle__long_strings_stay_in_the_file),
        cmocka_unit_test(test_pickle__containers),
        cmocka_unit_test(test_pickle__many_items),
        cmocka_unit_test(test_pickle__memo),
        cmocka_unit_test(test_pickle__marks_and_pops),
        cmocka_unit_test(test_pickle__persistent_ids),
        cmocka_unit_test(test_pickle__plain_containers_are_made),
        cmocka_unit_test(test_pickle__calls_are_written_down),
        cmocka_unit_test(test_pickle__attacks_are_named),
        cmocka_unit_test(test_pickle__cut_off_everywhere),
        cmocka_unit_test(test_pickle__bombs),
        cmocka_unit_test(test_pickle__copies_are_charged),
        cmocka_unit_test(test_pickle__stack_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
