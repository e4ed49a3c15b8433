// Writes one file of a checkpoint's tree to standard output: cat CHECKPOINT PATH [KEY=VALUE ...].
// What a C++ program sees of the library.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>
#include <weightfs.h>

namespace {

void check(int r, const wfs_failure &why)
{
    if (r != 0)
        throw std::runtime_error(why.message);
}

struct close {
    void operator()(wfs_checkpoint *checkpoint) const { wfs_checkpoint_close(checkpoint); }
    void operator()(wfs_checkpoint_file *file) const { wfs_checkpoint_file_close(file); }
};

void copy(const char *source, const char *path, const char *const *options)
{
    wfs_failure why;
    wfs_checkpoint *opened;
    wfs_checkpoint_file *opened_file;
    std::uint32_t node;
    check(wfs_checkpoint_open(source, options, &opened, &why), why);
    std::unique_ptr<wfs_checkpoint, close> checkpoint(opened);
    check(wfs_checkpoint_find_node(checkpoint.get(), path, &node, &why), why);
    check(wfs_checkpoint_open_file(checkpoint.get(), node, &opened_file, &why), why);
    std::unique_ptr<wfs_checkpoint_file, close> file(opened_file);
    std::vector<char> buf(65536);
    std::size_t n = 0;
    for (std::uint64_t off = 0;; off += n) {
        check(wfs_checkpoint_file_read(file.get(), buf.data(), buf.size(), off, &n, &why), why);
        if (n == 0)
            return;
        std::fwrite(buf.data(), 1, n, stdout);
    }
}

} // namespace

int main(int argc, char **argv)
{
    try {
        if (argc < 3)
            throw std::runtime_error("usage: cat CHECKPOINT PATH [KEY=VALUE ...]");
        copy(argv[1], argv[2], argv + 3);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
