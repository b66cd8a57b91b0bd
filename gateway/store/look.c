#include "gateway/store/look.h"

#include <stdarg.h>
#include <stdio.h>

void look_say(struct look *look, const char *what, enum look_verdict verdict, const char *advice,
              const char *format, ...)
{
    char text[640];
    struct look_line line = {what, verdict, text, advice};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    look->visit(look->context, &line);
}
