/* file_state_internal.h - the numbers of the layout that file_state.c describes. */
#ifndef ECBAK_CLI_HOME_FILE_STATE_INTERNAL_H
#define ECBAK_CLI_HOME_FILE_STATE_INTERNAL_H

#define FILE_STATE_MAGIC           "ecbakST2"
#define FILE_STATE_MAGIC_SIZE      8
#define FILE_STATE_DIGEST_SIZE     16
#define FILE_STATE_FOOTER_SIZE     64
#define FILE_STATE_PIECE_LINE_SIZE 32
#define FILE_STATE_ENTRY_HEAD_SIZE 64

#endif
