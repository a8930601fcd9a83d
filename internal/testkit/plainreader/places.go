package plainreader

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

//go:embed places.py
var places string

// Seen is what the readers see of a lake's rows.
type Seen struct {
	Offsets map[int32][]int64 // per partition, ascending; one that is seen twice is there twice
	Amount  string            // the sum of the column amount, exact, as 12.30
}

// Places reads all rows of a topic below a lake's folder by their glob. It errs if DuckDB and pyarrow do not see the same.
func (r *Reader) Places(root, topic string) (Seen, error) {
	var answer map[string]struct {
		Places map[string][]int64 `json:"places"`
		Amount string             `json:"amount"`
	}
	if err := r.Run(places, map[string]string{"root": root, "topic": topic}, &answer); err != nil {
		return Seen{}, err
	}
	a, b := answer["duckdb"], answer["pyarrow"]
	if !maps.EqualFunc(a.Places, b.Places, slices.Equal) || a.Amount != b.Amount {
		return Seen{}, fmt.Errorf("plainreader: DuckDB sees %v, sum %s; pyarrow %v, sum %s", a.Places, a.Amount, b.Places, b.Amount)
	}
	seen := Seen{Offsets: map[int32][]int64{}, Amount: a.Amount}
	for text, offsets := range a.Places {
		p, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return Seen{}, fmt.Errorf("plainreader: partition %q: %w", text, err)
		}
		seen.Offsets[int32(p)] = offsets
	}
	return seen, nil
}
