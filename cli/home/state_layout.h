/* state_layout.h - the numbers of the layout that state.c describes. Inside of state. */
#ifndef ECBAK_CLI_HOME_STATE_LAYOUT_H
#define ECBAK_CLI_HOME_STATE_LAYOUT_H

#define STATE_MAGIC           "ecbakST1"
#define STATE_MAGIC_SIZE      8
#define STATE_DIGEST_SIZE     16
#define STATE_FOOTER_SIZE     64
#define STATE_PIECE_LINE_SIZE 32
#define STATE_ENTRY_HEAD_SIZE 64

#endif
