/* base/controlpage.h - the layout of what a process tells about itself, for the floors that fill it in. */
#ifndef CAIRN_BASE_CONTROLPAGE_H
#define CAIRN_BASE_CONTROLPAGE_H

#include "wire/control.h"

#endif
