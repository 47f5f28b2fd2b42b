/* What a number means is the records' to say; it must only fit into a column of the catalogue. */
#include "node/trust/pin.h"

#include "node/common/wire.h"
#include "node/trust/record.h"

void pin_to_wire(Ecbak__Pin *message, const struct pin *pin)
{
    ecbak__pin__init(message);
    message->vault = wire_view(pin->vault.bytes, ID_SIZE);
    message->writer = wire_view(pin->writer.bytes, WRITER_ID_SIZE);
    message->number = pin->number;
}

int pin_from_wire(struct pin *pin, const Ecbak__Pin *message, struct err *err)
{
    *pin = (struct pin){.number = 0};
    if (message == NULL || !wire_take(pin->vault.bytes, ID_SIZE, message->vault) ||
        !wire_take(pin->writer.bytes, WRITER_ID_SIZE, message->writer))
        return err_set(err, ERR_FORMAT, "a pin without vault and writer");
    if (message->number > RECORD_NUMBER_MAX)
        return err_set(err, ERR_FORMAT, "a pin for record %llu: no writer comes so far",
                       (unsigned long long)message->number);
    pin->number = message->number;
    return 0;
}
