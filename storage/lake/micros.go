package lake

import "time"

// microTime is the time of a TIMESTAMP(MICROS, UTC) column.
func microTime(us int64) time.Time { return time.UnixMicro(us).UTC() }
