"""One archive with the objects of a library and of everything it depends on.

Bazel 4.2.3 makes an archive for each cc_library; whoever embeds the library wants a single one.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _cc_static_library_impl(ctx):
    objects = []
    for linker_input in ctx.attr.library[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            objects += library.pic_objects or library.objects or []

    archive = ctx.actions.declare_file(ctx.attr.out)
    arguments = ctx.actions.args()
    arguments.add(archive)
    arguments.add_all(objects)
    ctx.actions.run_shell(
        # `q` appends without comparing names: objects of different folders may bear the same one.
        command = "rm -f $1 && {ar} qcsD $@".format(ar = find_cpp_toolchain(ctx).ar_executable),
        arguments = [arguments],
        inputs = depset(objects, transitive = [find_cpp_toolchain(ctx).all_files]),
        outputs = [archive],
        mnemonic = "CcStaticLibrary",
    )
    return [DefaultInfo(files = depset([archive]))]

cc_static_library = rule(
    implementation = _cc_static_library_impl,
    attrs = {
        "library": attr.label(mandatory = True, providers = [CcInfo]),
        "out": attr.string(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
