# Run by CPack when everything is in its staging area: what Debian's policy wants besides.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(here ${CMAKE_CURRENT_LIST_DIR})
set(documents ${root}/usr/share/doc/bulla)

# pack FILE: the same bytes every time.
function(pack)
    execute_process(COMMAND gzip -9nf ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# As dh_strip does it.
execute_process(COMMAND strip --remove-section=.comment --remove-section=.note ${root}/usr/bin/bulla
                COMMAND_ERROR_IS_FATAL ANY)

file(GLOB pages ${root}/usr/share/man/man*/*.[1-9])
pack(${pages})

file(COPY ${here}/copyright DESTINATION ${documents})
file(COPY ${here}/../prometheus ${here}/../grafana DESTINATION ${documents}/examples)
file(COPY ${here}/../../docs/ DESTINATION ${documents} FILES_MATCHING PATTERN "*.md" PATTERN man EXCLUDE)
configure_file(${here}/changelog ${documents}/changelog.Debian COPYONLY)
configure_file(${here}/../../CHANGELOG.md ${documents}/changelog COPYONLY)
pack(${documents}/changelog.Debian ${documents}/changelog)

file(COPY ${here}/lintian-overrides DESTINATION ${root}/usr/share/lintian/overrides)
file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides ${root}/usr/share/lintian/overrides/bulla)
