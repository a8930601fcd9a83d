package postgres

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemill/tidemill/engine"
)

// Rows go to the database as columns: one array for each, put together again by unnest. So a statement is the same
// whatever the number of rows.

// keyColumns are task keys.
type keyColumns struct {
	runs    []int64
	tasks   []string
	indexes []int32
}

func (c *keyColumns) add(k engine.TaskKey) {
	c.runs = append(c.runs, k.Run)
	c.tasks = append(c.tasks, k.Task)
	c.indexes = append(c.indexes, int32(k.MapIndex)) //nolint:gosec // bounded by the number of elements
}

// grow makes room for n more.
func (c *keyColumns) grow(n int) {
	c.runs, c.tasks, c.indexes = slices.Grow(c.runs, n), slices.Grow(c.tasks, n), slices.Grow(c.indexes, n)
}

// uuids is a column of uuids without nulls.
type uuids []uuid.UUID

// Dimensions, Index and IndexType implement pgtype.ArrayGetter.
func (u uuids) Dimensions() []pgtype.ArrayDimension {
	return []pgtype.ArrayDimension{{Length: int32(len(u)), LowerBound: 1}} //nolint:gosec // bounded by the batch
}

func (u uuids) Index(i int) any { return pgtype.UUID{Bytes: u[i], Valid: true} }

func (u uuids) IndexType() any { return pgtype.UUID{} }

// nullable returns null for the zero uuid.
func nullable(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

// clean makes text that PostgreSQL takes out of any: without U+0000 and invalid UTF-8. It is for what people read, such as
// errors; outputs are stored as bytes.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// texts turns typed strings into a column.
func texts[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// stamps is a column of times that is not null when empty.
func stamps(in []time.Time) []time.Time {
	if in == nil {
		return []time.Time{}
	}
	return in
}

// divisionByZero is the code of the error by which a statement of allOf tells that it missed a row.
const divisionByZero = "22012"

// allOf makes a statement that writes rows, one for each element of an array, err (division by zero) when it finds fewer of them than there
// are elements: a change of a row that is not there, or not as it was thought to be, must not be lost.
func allOf(write, array string) string {
	return `WITH done AS (` + write + ` RETURNING 1) SELECT 1 / (count(*) = cardinality(` + array + `))::int FROM done`
}
