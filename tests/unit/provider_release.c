/* OpenSSL, as the release build compiles it. */
#include "provider_openssl.c"
