/* What wine 8 lacks of Windows 10, and Rust's standard library takes its random numbers from. */
#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);

BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len)
{
    return SystemFunction036(bytes, (ULONG)len);
}
