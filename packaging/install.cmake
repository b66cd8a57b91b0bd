# Run at installation, by `cmake --install` and by CPack: the unit, its user, its settings.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(units /lib/systemd/system) # where Debian 12 has its packages' units
else()
    set(units ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
endif()
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?$")
    set(settings /etc/bulla)
else()
    set(settings ${CMAKE_INSTALL_PREFIX}/etc/bulla)
endif()

configure_file(${packaging}/systemd/bulla.service.in ${build}/bulla.service @ONLY)
file(INSTALL ${build}/bulla.service DESTINATION ${units})
file(INSTALL ${packaging}/systemd/bulla.sysusers DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/sysusers.d RENAME bulla.conf)
file(INSTALL ${packaging}/systemd/bulla.tmpfiles DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/tmpfiles.d RENAME bulla.conf)

# An administrator's settings are never overwritten.
if(NOT EXISTS $ENV{DESTDIR}${settings}/bulla.conf)
    file(INSTALL ${packaging}/bulla.conf DESTINATION ${settings})
endif()
