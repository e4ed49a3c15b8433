/*
 * help.c - --help of the program and of each verb. The man page says more; a test holds that it
 * says at least this.
 */
#include "cli/help.h"

#include "mount/mount.h"
#include "cli/output.h"

static const char source_help[] =
    "Options of a source:\n"
    "  --view NAME[:key=value,...]  a mapped view; may be repeated; NAME=SET+SET chains rule "
    "sets;\n"
    "                               source: none beside the checkpoint as it is\n"
    "  --template FILE              target names and shapes: a checkpoint or a JSON file\n"
    "  --rules FILE                 a rule file of your own: one more set, for --view\n"
    "  --strict                     refuse where a view has problems\n"
    "  -o OPTION[,OPTION...]        see below\n"
    "  -h, --help                   this text\n"
    "\n"
    "-o options, of what is shown:\n"
    "  view=NAME, rules=FILE, template=FILE, strict   as above\n"
    "  weights=GLOB     which weight files of a directory\n"
    "  root=PATH        which tree of a nested checkpoint the views map; may be repeated\n"
    "  files=LIST       loader files to show: names joined by ':', all or none\n"
    "  partial          show loader files that lack a refused tensor, too\n"
    "  shards=SIZE      show model.safetensors in shards of this size\n"
    "  dtype=TYPE       keep, float32, float16 or bfloat16, in views\n"
    "  outtype=TYPE     type of model.gguf: auto, F16, Q8_0, Q4_K_M, ...\n"
    "  narrow           accept a dtype= of smaller range: what does not fit becomes infinite\n"
    "  packed           quantised weights keep their codes and names in views\n"
    "  set=NAME=VALUE   a value that rules ask for; may be repeated\n"
    "  format=npy|raw   how a parameter is shown\n"
    "-o options, of computed blocks:\n"
    "  index=PATH|none  where they are kept across mounts\n"
    "  cache=auto|always|off\n"
    "  cache_size=SIZE  of the index, 10G by default\n"
    "  memory=SIZE      of the blocks in memory\n"
    "-o options, of the mount:\n"
    "  uid=N, gid=N, umask=OCTAL, mode=OCTAL, noxattr, nonempty, log=FILE\n"
    "  allow_other, allow_root, auto_unmount, fsname=NAME, subtype=NAME, nosuid, nodev,\n"
    "  noexec, exec, noatime, context=CONTEXT\n"
    "  and what fstab lines hold: ro, rw, defaults, auto, noauto, user, nouser, users, group,\n"
    "  owner, nofail, _netdev, dev, suid, async, sync, atime, relatime, strictatime,\n"
    "  nodiratime, lazytime, silent, comment=TEXT, default_permissions, x-*\n";

int wfs_help_program(const struct wfs_verb *const *verbs, FILE *out)
{
    fprintf(out, "usage: weightfs VERB [OPTIONS] ...\n"
                 "       weightfs SOURCE MOUNTPOINT     (short for weightfs mount)\n\n"
                 "Shows a machine-learning checkpoint as files, as it is and as another framework\n"
                 "wants it.\n\n");
    for (; *verbs; verbs++)
        fprintf(out, "  %-8s %s\n", (*verbs)->name, (*verbs)->summary);
    fprintf(out, "\n  weightfs VERB --help tells more. weightfs --version.\n");
    return out == stdout ? wfs_cli_flush() : WFS_EXIT_OK;
}

int wfs_help_verb(const struct wfs_verb *verb)
{
    printf("usage: weightfs %s [OPTIONS] %s\n\n%s.\n", verb->name, verb->operands, verb->summary);
    if (*verb->help)
        printf("\n%s", verb->help);
    if (verb->takes_source)
        printf("\n%s", source_help);
    else
        printf("\n  -h, --help   this text\n");
    return wfs_cli_flush();
}
