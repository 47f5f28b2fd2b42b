/* lab_internal.h - the lab's paths: its folders are bounded (lab_locate) so that every name below
 * them fits. */
#ifndef ECBAK_CLI_LAB_LAB_INTERNAL_H
#define ECBAK_CLI_LAB_LAB_INTERNAL_H

#include <stdio.h>

#include "cli/lab/lab.h"

/* What the longest name below the lab's folder takes. */
#define PATH_ROOM 128
/* As a precision for "%.*s": the folder itself. */
#define DIR_WIDTH           (LAB_PATH_MAX - PATH_ROOM)
#define PATH_SET(path, ...) ((void)!snprintf(path, LAB_PATH_MAX, __VA_ARGS__))

#endif
