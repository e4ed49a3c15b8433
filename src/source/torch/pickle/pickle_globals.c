/*
 * pickle_globals.c - the closed table of globals that mean something here, and the list of those
 * that attacks use. Everything else is unknown, which is harmless: it becomes an opaque node.
 */
#include "source/torch/pickle/pickle_globals.h"

#include <string.h>

#define GLOBAL_MAX_BYTES 4096

static const struct {
    const char *module, *name; /* name NULL: any */
    enum wfs_global_kind kind;
} known_globals[] = {
    {"collections", "OrderedDict", WFS_GLOBAL_ORDERED_DICT},
    {"collections", "Counter", WFS_GLOBAL_COUNTER},
    {"builtins", "dict", WFS_GLOBAL_ORDERED_DICT},
    {"collections", "defaultdict", WFS_GLOBAL_DEFAULT_DICT},
    {"argparse", "Namespace", WFS_GLOBAL_NAMESPACE},
    {"types", "SimpleNamespace", WFS_GLOBAL_NAMESPACE},
    {"builtins", "list", WFS_GLOBAL_LIST},
    {"builtins", "tuple", WFS_GLOBAL_TUPLE},
    {"builtins", "set", WFS_GLOBAL_SET},
    {"builtins", "frozenset", WFS_GLOBAL_FROZEN_SET},
    {"torch", "Size", WFS_GLOBAL_SIZE},
    {"builtins", "bytes", WFS_GLOBAL_BYTES},
    {"builtins", "bytearray", WFS_GLOBAL_BYTE_ARRAY},
    {"_codecs", "encode", WFS_GLOBAL_CODECS_ENCODE},
    {"copyreg", "_reconstructor", WFS_GLOBAL_RECONSTRUCTOR},
    {"torch._utils", "_rebuild_tensor", WFS_GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", WFS_GLOBAL_REBUILD_TENSOR_V2},
    {"torch._utils", "_rebuild_tensor_v3", WFS_GLOBAL_REBUILD_TENSOR_V3},
    {"torch._utils", "_rebuild_parameter", WFS_GLOBAL_REBUILD_PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", WFS_GLOBAL_REBUILD_PARAMETER_WITH_STATE},
    {"torch._tensor", "_rebuild_from_type", WFS_GLOBAL_REBUILD_FROM_TYPE},
    {"torch._tensor", "_rebuild_from_type_v2", WFS_GLOBAL_REBUILD_FROM_TYPE_V2},
    {"torch.tensor", "_rebuild_from_type", WFS_GLOBAL_REBUILD_FROM_TYPE},
    {"torch._utils", "_rebuild_qtensor", WFS_GLOBAL_REBUILD_QTENSOR},
    {"torch._utils", "_rebuild_sparse_tensor", WFS_GLOBAL_REBUILD_SPARSE},
    {"torch._utils", "_rebuild_sparse_csr_tensor", WFS_GLOBAL_REBUILD_SPARSE},
    {"torch._utils", "_rebuild_nested_tensor", WFS_GLOBAL_REBUILD_NESTED},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", WFS_GLOBAL_REBUILD_META},
    {"torch._utils", "_rebuild_wrapper_subclass", WFS_GLOBAL_REBUILD_WRAPPER},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", WFS_GLOBAL_REBUILD_FROM_NUMPY},
    {"torch._utils", "_rebuild_xla_tensor", WFS_GLOBAL_REBUILD_FROM_NUMPY},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", WFS_GLOBAL_REBUILD_FROM_CPU},
    {"torch.serialization", "_get_layout", WFS_GLOBAL_GET_LAYOUT},
    {"torch.nn.parameter", "Parameter", WFS_GLOBAL_PARAMETER},
    {"torch.nn.parameter", "Buffer", WFS_GLOBAL_PARAMETER},
    {"torch", "Tensor", WFS_GLOBAL_PARAMETER},
    {"numpy.core.multiarray", "_reconstruct", WFS_GLOBAL_NUMPY_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", WFS_GLOBAL_NUMPY_RECONSTRUCT},
    {"numpy.core.numeric", "_frombuffer", WFS_GLOBAL_NUMPY_FROMBUFFER},
    {"numpy._core.numeric", "_frombuffer", WFS_GLOBAL_NUMPY_FROMBUFFER},
    {"numpy.core.multiarray", "scalar", WFS_GLOBAL_NUMPY_SCALAR},
    {"numpy._core.multiarray", "scalar", WFS_GLOBAL_NUMPY_SCALAR},
    {"numpy", "dtype", WFS_GLOBAL_NUMPY_DTYPE},
};

/* Python 2's names, and where OrderedDict has lived. */
static const char *modern_module(const char *module)
{
    static const char *const renamed[][2] = {{"__builtin__", "builtins"},
                                             {"copy_reg", "copyreg"},
                                             {"ordereddict", "collections"},
                                             {"UserDict", "collections"}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(renamed); i++)
        if (strcmp(module, renamed[i][0]) == 0)
            return renamed[i][1];
    return module;
}

static bool is_storage(const char *module, const char *name)
{
    size_t n = strlen(name);
    return n > 7 && strcmp(name + n - 7, "Storage") == 0 &&
           (strcmp(module, "torch") == 0 || strcmp(module, "torch.cuda") == 0 ||
            strcmp(module, "torch.storage") == 0);
}

enum wfs_global_kind wfs_global_kind(const char *module, const char *name)
{
    module = modern_module(module);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(known_globals); i++)
        if (strcmp(name, known_globals[i].name) == 0 &&
            strcmp(module, known_globals[i].module) == 0)
            return known_globals[i].kind;
    return is_storage(module, name) ? WFS_GLOBAL_TORCH_STORAGE : WFS_GLOBAL_UNKNOWN;
}

/* ---- known from attacks -------------------------------------------------------------------- */

/* Modules that no checkpoint needs: whatever is named from them, and from what lies below. Of
 * torch._dynamo those that evaluate, import or unpickle: a tensor's attributes may name others. */
static const char *const dangerous_modules[] = {
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "subprocess",
    "commands",
    "sys",
    "shutil",
    "socket",
    "socketserver",
    "pty",
    "runpy",
    "pickle",
    "_pickle",
    "cPickle",
    "pickletools",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "imp",
    "importlib",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "pkgutil",
    "zipimport",
    "code",
    "codeop",
    "ctypes",
    "_ctypes",
    "cffi",
    "mmap",
    "multiprocessing",
    "_posixsubprocess",
    "asyncio",
    "concurrent",
    "threading",
    "_thread",
    "thread",
    "signal",
    "pdb",
    "bdb",
    "trace",
    "timeit",
    "profile",
    "cProfile",
    "doctest",
    "pydoc",
    "webbrowser",
    "antigravity",
    "platform",
    "urllib",
    "urllib2",
    "http",
    "httplib",
    "requests",
    "aiohttp",
    "ftplib",
    "smtplib",
    "poplib",
    "imaplib",
    "telnetlib",
    "xmlrpc",
    "ssl",
    "tempfile",
    "zipfile",
    "tarfile",
    "linecache",
    "fileinput",
    "glob",
    "io",
    "_io",
    "builtins.file",
    "pip",
    "ensurepip",
    "setuptools",
    "distutils",
    "venv",
    "idlelib",
    "lib2to3",
    "site",
    "inspect",
    "gc",
    "sqlite3",
    "logging.config",
    "wsgiref",
    "cgi",
    "test",
    "torch.hub",
    "torch.utils.cpp_extension",
    "torch.utils.collect_env",
    "torch.utils.bottleneck",
    "torch._inductor",
    "numpy.f2py",
    "popen2",
    "pipes",
    "mailcap",
    "atexit",
    "unittest",
    "gzip",
    "bz2",
    "lzma",
    "dbm",
    "py_compile",
    "compileall",
    "zipapp",
    "modulefinder",
    "rlcompleter",
    "faulthandler",
    "SocketServer",
    "BaseHTTPServer",
    "SimpleHTTPServer",
    "xmlrpclib",
    "nntplib",
    "_pyrepl",
    "_aix_support",
    "_osx_support",
    "jsonpickle",
    "pexpect",
    "ptyprocess",
    "paramiko",
    "torch.multiprocessing",
    "torch.utils.model_zoo",
    "torch.utils._config_module",
    "torch.utils.data.datapipes",
    "torch.jit.unsupported_tensor_ops",
    "torch.fx.experimental",
    "torch._dynamo.aot_compile",
    "torch._dynamo.aot_compile_types",
    "torch._dynamo.backends",
    "torch._dynamo.bytecode_debugger",
    "torch._dynamo.config",
    "torch._dynamo.convert_frame",
    "torch._dynamo.debug_utils",
    "torch._dynamo.functional_export",
    "torch._dynamo.guards",
    "torch._dynamo.package",
    "torch._dynamo.pgo",
    "torch._dynamo.polyfills",
    "torch._dynamo.precompile_context",
    "torch._dynamo.repro",
    "torch._dynamo.symbolic_convert",
    "torch._dynamo.test_case",
    "torch._dynamo.test_minifier_common",
    "torch._dynamo.testing",
    "torch._dynamo.trace_rules",
    "torch._dynamo.utils",
    "torch._dynamo.variables",
    "torch.distributed.rpc",
    "tensorflow.io",
    "numpy.testing",
    "numpy.distutils",
};

/* Single functions of modules that are otherwise ordinary. */
static const char *const dangerous_functions[] = {
    "builtins.eval",
    "builtins.exec",
    "builtins.execfile",
    "builtins.compile",
    "builtins.open",
    "builtins.file",
    "builtins.getattr",
    "builtins.setattr",
    "builtins.delattr",
    "builtins.__import__",
    "builtins.apply",
    "builtins.input",
    "builtins.raw_input",
    "builtins.globals",
    "builtins.locals",
    "builtins.vars",
    "builtins.breakpoint",
    "builtins.map",
    "builtins.filter",
    "builtins.reload",
    "builtins.memoryview",
    "builtins.type",
    "builtins.exit",
    "builtins.quit",
    "builtins.help",
    "operator.attrgetter",
    "operator.methodcaller",
    "operator.itemgetter",
    "_operator.attrgetter",
    "_operator.methodcaller",
    "_operator.itemgetter",
    "functools.reduce",
    "types.FunctionType",
    "types.CodeType",
    "types.MethodType",
    "types.LambdaType",
    "copyreg.add_extension",
    "copyreg.pickle",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.fromfile",
    "numpy.genfromtxt",
    "numpy.memmap",
    "numpy.save",
    "torch.load",
    "torch.save",
    "torch.serialization.load",
    "torch.serialization.save",
    "torch.jit.load",
    "torch.jit._script.load",
    "torch.package.PackageImporter",
    "torch.classes.load_library",
    "torch.ops.load_library",
    "torch.storage._load_from_bytes",
    "pandas.read_pickle",
    "pandas.io.pickle.read_pickle",
    "pandas.eval",
    "sympy.sympify",
    "keras.models.load_model",
    "tensorflow.keras.models.load_model",
    "uuid._get_command_stdout",
    "builtins.reduce",
    "operator.call",
    "_operator.call",
    "codecs.open",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "numpy.savetxt",
    "numpy.savez",
    "numpy.lib.npyio.load",
    "numpy.lib._npyio_impl.load",
    "numpy.core.memmap",
    "numpy._core.memmap",
    "torch.from_file",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.fx.graph_module.reduce_package_graph_module",
    "torch.fx.graph_module._exec_with_source",
    "torch.fx.graph_module._forward_from_src",
    "uuid._popen",
    "pandas.core.computation.eval.eval",
};

/* Attributes that a dotted name (STACK_GLOBAL walks them) may pass through only in an attack. */
static const char *const dangerous_attributes[] = {
    "eval",      "exec",          "system",   "popen",     "Popen",      "getattr",     "setattr",
    "open",      "load",          "loads",    "os",        "sys",        "subprocess",  "builtins",
    "importlib", "import_module", "compile",  "spawn",     "write_text", "write_bytes", "unlink",
    "rmdir",     "tofile",        "fromfile", "from_file",
};

/* Names that mean one thing, from whatever module imported them. */
static const char *const dangerous_names[] = {
    "system",    "popen",           "Popen",     "check_output", "check_call",
    "getoutput", "getstatusoutput", "execfile",  "__import__",   "import_module",
    "rmtree",    "exec_command",    "fork_exec", "runstring",
};

static bool is_listed(const char *const *list, size_t n, const char *s, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == len && memcmp(list[i], s, len) == 0)
            return true;
    return false;
}

/* The module itself or one it lies in: "os.path" of "os". */
static bool is_dangerous_module(const char *module)
{
    size_t len = strlen(module);
    for (size_t n = 1; n <= len; n++)
        if ((n == len || module[n] == '.') &&
            is_listed(dangerous_modules, WFS_ARRAY_SIZE(dangerous_modules), module, n))
            return true;
    return false;
}

static bool is_dangerous_function(const char *module, const char *name)
{
    size_t n = strlen(module);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(dangerous_functions); i++) {
        const char *known = dangerous_functions[i];
        if (strncmp(known, module, n) != 0 || known[n] != '.')
            continue;
        const char *function = known + n + 1;
        size_t len = strlen(function);
        /* "getattr.__call__" is getattr, too. */
        if (strncmp(function, name, len) == 0 && (name[len] == 0 || name[len] == '.'))
            return true;
    }
    return false;
}

static bool is_dangerous_walk(const char *name)
{
    if (!strchr(name, '.'))
        return false;
    for (const char *part = name; *part;) {
        size_t n = strcspn(part, ".");
        if (strncmp(part, "__", 2) == 0 ||
            is_listed(dangerous_attributes, WFS_ARRAY_SIZE(dangerous_attributes), part, n))
            return true;
        part += n + (part[n] == '.');
    }
    return false;
}

bool wfs_global_is_dangerous(const char *module, const char *name)
{
    /* No module has so long a name, and searching it for every global that names it would take
     * hours. */
    if (strnlen(module, GLOBAL_MAX_BYTES + 1) > GLOBAL_MAX_BYTES ||
        strnlen(name, GLOBAL_MAX_BYTES + 1) > GLOBAL_MAX_BYTES)
        return true;
    module = modern_module(module);
    return is_dangerous_module(module) || is_dangerous_function(module, name) ||
           is_dangerous_walk(name) ||
           is_listed(dangerous_names, WFS_ARRAY_SIZE(dangerous_names), name, strlen(name));
}
