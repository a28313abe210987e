// The header of the library, nothing else.
#include <zlib.h>
