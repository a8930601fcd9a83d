package postgres

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

// Columns are encoded byte for byte as pgx does it.
func TestColumnsAreEncodedAsArrays(t *testing.T) {
	general, ours := pgtype.NewMap(), pgtype.NewMap()
	registerColumns(ours)
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		})
		id := rapid.Custom(func(t *rapid.T) uuid.UUID {
			return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		})
		tid := rapid.Custom(func(t *rapid.T) pgtype.TID {
			return pgtype.TID{BlockNumber: rapid.Uint32().Draw(t, "block"), OffsetNumber: rapid.Uint16().Draw(t, "offset"), Valid: true}
		})
		for name, column := range map[string]any{
			"_int8": rapid.SliceOf(rapid.Int64()).Draw(t, "int8"), "_int4": rapid.SliceOf(rapid.Int32()).Draw(t, "int4"),
			"_text": rapid.SliceOf(rapid.String()).Draw(t, "text"), "_bool": rapid.SliceOf(rapid.Bool()).Draw(t, "bool"),
			"_bytea":       rapid.SliceOf(rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()))).Draw(t, "bytea"),
			"_uuid":        uuids(rapid.SliceOfN(id, 1, -1).Draw(t, "uuid")), /* pgx gives an empty one a dimension */
			"_timestamptz": rapid.SliceOf(when).Draw(t, "time"), "_tid": rapid.SliceOf(tid).Draw(t, "tid"),
		} {
			same(t, general, ours, name, column)
		}
		same(t, general, ours, "_timestamptz", rapid.SliceOf(rapid.Ptr(when, true)).Draw(t, "times or none"))
		same(t, general, ours, "_text", rapid.SliceOf(rapid.Ptr(rapid.String(), true)).Draw(t, "texts or none"))
	})
	for name, column := range map[string]any{"_int8": []int64(nil), "_text": []string(nil), "_bytea": [][]byte(nil)} {
		same(t, general, ours, name, column)
	}
}

type failer interface{ Fatalf(string, ...any) }

func same(t failer, general, ours *pgtype.Map, name string, column any) {
	if v := reflect.ValueOf(column); v.Len() == 0 && !v.IsNil() {
		return // pgx gives some empty ones a dimension, of length 0: PostgreSQL makes the same of both
	}
	kind, _ := general.TypeForName(name)
	want, err := general.Encode(kind.OID, pgtype.BinaryFormatCode, column, []byte("before"))
	if err != nil {
		t.Fatalf("%s: pgx: %v", name, err)
	}
	got, err := ours.Encode(kind.OID, pgtype.BinaryFormatCode, column, []byte("before"))
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Fatalf("%s of %v is encoded as\n%x, want\n%x (%v)", name, column, got, want, err)
	}
}
