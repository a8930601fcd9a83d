package flat

import (
	"bytes"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

func appendUvarint(dst []byte, v uint64) []byte {
	for ; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}

// distinct sorts and leaves each once.
func distinct(all []format.Encoding) []format.Encoding {
	slices.Sort(all)
	return slices.Compact(all)
}

// cloneIndex is a copy that shares nothing with the indexer that made it.
func cloneIndex(x format.ColumnIndex) format.ColumnIndex {
	x.NullPages, x.NullCounts = slices.Clone(x.NullPages), slices.Clone(x.NullCounts)
	x.MinValues, x.MaxValues = cloneTexts(x.MinValues), cloneTexts(x.MaxValues)
	return x
}

func cloneTexts(all [][]byte) [][]byte {
	copies := make([][]byte, len(all))
	for i, text := range all {
		copies[i] = bytes.Clone(text)
	}
	return copies
}
