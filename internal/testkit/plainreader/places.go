package plainreader

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
)

//go:embed places.py
var places string

// Seen is what the readers see of a lake's rows.
type Seen struct {
	Offsets map[int32][]int64 // per partition, ascending; one that is seen twice is there twice
	Amount  string            // the sum of the column amount, exact, as 12.30
}

// Places reads all rows of a topic below a lake's folder by their glob. It errs if DuckDB and pyarrow do not see the same: the lake stands still.
func (r *Reader) Places(root, topic string) (Seen, error) {
	seen, err := r.PlacesByReader(root, topic)
	if err != nil {
		return Seen{}, err
	}
	a, b := seen["duckdb"], seen["pyarrow"]
	if !maps.EqualFunc(a.Offsets, b.Offsets, slices.Equal) || a.Amount != b.Amount {
		return Seen{}, fmt.Errorf("plainreader: DuckDB sees %.2000v, sum %s; pyarrow %.2000v, sum %s", a.Offsets, a.Amount, b.Offsets, b.Amount)
	}
	return a, nil
}

// PlacesByReader is Places of a lake that may be written to meanwhile, so that "duckdb" and "pyarrow", who read one after the other, may see
// different states of it.
func (r *Reader) PlacesByReader(root, topic string) (map[string]Seen, error) {
	var answer map[string]struct {
		Places map[int32][]int64 `json:"places"`
		Amount string            `json:"amount"`
	}
	if err := r.Run(places, map[string]string{"root": root, "topic": topic}, &answer); err != nil {
		return nil, err
	}
	seen := map[string]Seen{}
	for name, a := range answer {
		seen[name] = Seen{Offsets: a.Places, Amount: a.Amount}
	}
	return seen, nil
}
