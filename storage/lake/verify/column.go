package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"math/big"
)

// Reading is what a library sees of a file.
type Reading struct {
	Rows    int64    `json:"rows"`
	Columns []Column `json:"columns"` // in the file's order
}

// Column sums up one column of a file.
type Column struct {
	Name   string `json:"name"`
	Values int64  `json:"values"` // nulls are none
	Nulls  int64  `json:"nulls"`
	Sum    string `json:"sum,omitempty"` // of a decimal, exact, as 12.30; empty for other columns
	Min    int64  `json:"min"`           // of an INT64
	Max    int64  `json:"max"`           // of an INT64
	Digest string `json:"digest"`        // of all values and nulls in order
}

// column finds the column of a name; nil if there is none.
func (r *Reading) column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// gauge adds up a column, value by value.
type gauge struct {
	column  Column
	decimal bool
	scale   int
	sum     big.Int
	digest  hash.Hash
	buf     [9]byte
}

// newGauge begins a column. scale is of a decimal's digits behind the point; a negative one means that the column is no decimal.
func newGauge(name string, scale int) *gauge {
	return &gauge{column: Column{Name: name, Min: math.MaxInt64, Max: math.MinInt64}, decimal: scale >= 0, scale: scale, digest: sha256.New()}
}

// Each kind of value begins with a byte of its own in the digest, so that 0, false, "" and null differ.
const (
	kindNull byte = iota
	kindBool
	kindInt
	kindFloat
	kindBytes
)

func (g *gauge) null() {
	g.column.Nulls++
	g.digest.Write([]byte{kindNull})
}

func (g *gauge) bool(v bool) {
	var n uint64
	if v {
		n = 1
	}
	g.fixed(kindBool, n)
}

func (g *gauge) int(v int64) {
	g.fixed(kindInt, uint64(v)) //nolint:gosec // its bits
	g.column.Min, g.column.Max = min(g.column.Min, v), max(g.column.Max, v)
	if g.decimal {
		g.sum.Add(&g.sum, big.NewInt(v))
	}
}

func (g *gauge) float(v float64) { g.fixed(kindFloat, math.Float64bits(v)) }

func (g *gauge) fixed(kind byte, bits uint64) {
	g.column.Values++
	g.buf[0] = kind
	binary.LittleEndian.PutUint64(g.buf[1:], bits)
	g.digest.Write(g.buf[:])
}

func (g *gauge) bytes(v []byte) {
	g.fixed(kindBytes, uint64(len(v)))
	g.digest.Write(v)
}

// end is the column.
func (g *gauge) end() Column {
	c := g.column
	if c.Min > c.Max {
		c.Min, c.Max = 0, 0
	}
	if g.decimal {
		c.Sum = decimal(&g.sum, g.scale)
	}
	c.Digest = hex.EncodeToString(g.digest.Sum(nil))
	return c
}

// decimal writes an unscaled number with its point.
func decimal(unscaled *big.Int, scale int) string {
	if scale == 0 {
		return unscaled.String()
	}
	sign, digits := "", fmt.Sprintf("%0*s", scale+1, new(big.Int).Abs(unscaled).String())
	if unscaled.Sign() < 0 {
		sign = "-"
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}
