/* Runs the words behind a file's name on its own console, and notes in that file how the console is set
 * before, meanwhile and afterwards. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static FILE *notes;

static void note(const char *when)
{
    DWORD input = 0, output = 0;
    GetConsoleMode(GetStdHandle(STD_INPUT_HANDLE), &input);
    GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &output);
    fprintf(notes, "%s %lx %lx\n", when, input, output);
    fflush(notes);
}

/* The keys of the console are for the program. */
static BOOL WINAPI heed_nothing(DWORD event)
{
    return event == CTRL_C_EVENT;
}

int main(void)
{
    char *line = strdup(GetCommandLineA());
    char *file = (strtok(line, " "), strtok(NULL, " ")), *words = strtok(NULL, "");
    STARTUPINFOA start = {sizeof start};
    PROCESS_INFORMATION child;
    DWORD code = 99;

    notes = fopen(file, "w");
    note("before");
    SetConsoleCtrlHandler(heed_nothing, TRUE);
    if (!CreateProcessA(NULL, words, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child))
        return code;
    while (WaitForSingleObject(child.hProcess, 20) == WAIT_TIMEOUT)
        note("meanwhile");
    note("afterwards");
    GetExitCodeProcess(child.hProcess, &code);
    return code;
}
