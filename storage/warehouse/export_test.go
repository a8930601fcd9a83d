package warehouse

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tidemill/tidemill/storage/payment"
)

// CopyBronze copies what EncodeForCopy gives into bronze.
var CopyBronze = fmt.Sprintf(copyBronze, "bronze.transactions")

// EncodeForCopy is rows as the data of a COPY in binary format.
func EncodeForCopy(rows []payment.Row) io.Reader {
	all := make([]*payment.Row, len(rows))
	for i := range rows {
		all[i] = &rows[i]
	}
	return bytes.NewReader(appendBronze(nil, all, "topic", 1))
}
