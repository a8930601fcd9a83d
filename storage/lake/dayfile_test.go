package lake

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestAnEncoderUsedAgainWritesTheSameFile, byte for byte, with the names of its
// columns in the footer's chunks.
func TestAnEncoderUsedAgainWritesTheSameFile(t *testing.T) {
	rows := []row{{Partition: 1, Offset: 2}, {Partition: 1, Offset: 3}}
	w := NewWriter[row](openOn(nil, nil))
	enc := w.encoder()
	var first []byte
	for n := range 3 {
		if _, err := enc.parquet.Write(rows); err != nil {
			t.Fatal(err)
		}
		data, err := enc.finish(map[string]string{"tidemill.topic": "t"})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = data
		}
		if !bytes.Equal(data, first) {
			t.Errorf("file %d of the encoder differs from its first", n+1)
		}
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range file.Metadata().RowGroups[0].Columns {
			if got, want := c.MetaData.PathInSchema, file.Schema().Columns()[i]; len(got) != 1 || got[0] != want[0] {
				t.Errorf("file %d: column %d has the path %q, want %q", n+1, i, got, want)
			}
		}
	}
}
