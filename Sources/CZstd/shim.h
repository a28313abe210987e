// The header of the library, nothing else.
#include <zstd.h>
