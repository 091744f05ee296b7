/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every vtable repeats. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* sd-bus gives a getter seven arguments, of which most need two. */
#define PROPERTY_GETTER(name)                                                                                        \
        static int name(_unused_ sd_bus *bus, _unused_ const char *path, _unused_ const char *interface,             \
                        _unused_ const char *property, sd_bus_message *reply, _unused_ void *userdata,               \
                        _unused_ sd_bus_error *error)
