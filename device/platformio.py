"""What PlatformIO compiles this library with on AVR (library.json names this file): a tenth less flash. What each of the
flags brings is in docs/devices.md of the project; other platforms know some of them not at all."""

Import("env")  # noqa: F821 (PlatformIO's)

if env["PIOPLATFORM"] in ("atmelavr", "atmelmegaavr"):  # noqa: F821
    env.Append(  # noqa: F821
        CCFLAGS=[
            "-mcall-prologues",
            "-mstrict-X",
            "-fno-move-loop-invariants",
            "-fno-tree-scev-cprop",
            "-fno-split-wide-types",
            "-fno-tree-dominator-opts",
            "-fno-tree-copy-prop",
            "-maccumulate-args",
        ]
    )
