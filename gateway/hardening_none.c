/* For builds with sanitizers, which trace the process and make system calls of their own. */
#include "gateway/hardening.h"

int hardening_hide(const struct hardening *hardening, struct failure *failure)
{
    (void)failure;
    hardening_warn(hardening, "hide", "left out: this build has sanitizers");
    return 0;
}

int hardening_enter_sandbox(const struct hardening *hardening, struct failure *failure)
{
    (void)failure;
    if (hardening->sandbox)
        hardening_warn(hardening, "sandbox", "left out: this build has sanitizers");
    return 0;
}
