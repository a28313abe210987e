// The header of the library, nothing else.
#include <lz4frame.h>
