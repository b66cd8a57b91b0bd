#include "bulla.h"

const char *bulla_strerror(int error)
{
    switch (error) {
#define ERROR_CASE(name, number, text)                                                                       \
    case number:                                                                                             \
        return text;
        BULLA_ERRORS(ERROR_CASE)
#undef ERROR_CASE
    default:
        return error < 0 ? "an unknown error" : "done";
    }
}
