package warehouse_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// anAmount is an amount as JSON text: any spelling of a decimal of the contract, or a number that may break it.
var anAmount = rapid.OneOf(
	rapid.Custom(func(t *rapid.T) string { // a decimal that the contract allows, spelt in one of many ways
		hundredths := rapid.OneOf(rapid.Int64Range(0, 999_999_999_999_999_999), rapid.Int64Range(0, 100_000),
			rapid.SampledFrom([]int64{0, 1, 999_999_999_999_999_999, 900_719_925_474_099_301, 900_719_925_474_099_299, 10, 29})).Draw(t, "hundredths")
		zeros := strings.Repeat("0", rapid.IntRange(0, 3).Draw(t, "zeros"))
		switch text := payment.FormatAmount(hundredths); rapid.IntRange(0, 5).Draw(t, "spelling") {
		case 0:
			return `"` + text + zeros + `"`
		case 1:
			return fmt.Sprintf("%dE-2", hundredths)
		case 2:
			return fmt.Sprintf("%d.%se+00", hundredths/100, text[len(text)-2:])
		case 3: // one digit before the point: 1.2345e2
			digits := fmt.Sprint(hundredths)
			return fmt.Sprintf("%s.%s0e%d", digits[:1], digits[1:], len(digits)-3)
		case 4:
			if shorter := strings.TrimRight(strings.TrimRight(text, "0"), "."); shorter != "" {
				return shorter
			}
			return "-0"
		default:
			return text + zeros
		}
	}),
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?`),
	rapid.StringMatching(`"[0-9]{1,18}(\.[0-9]{1,4})?"`),
)

var hundred, tooLarge = big.NewRat(100, 1), new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(16), nil))

// exact is the value of an amount by exact arithmetic, as decimal text with two places; "" where the contract refuses it.
func exact(amount string) string {
	text := strings.Trim(amount, `"`)
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		if exponent, _ := new(big.Int).SetString(strings.TrimPrefix(text[e+1:], "+"), 10); exponent.CmpAbs(big.NewInt(40)) > 0 {
			return ""
		}
	}
	if point := strings.IndexByte(text+".", '.'); amount[0] == '"' && point > 16 {
		return "" // as text, leading zeros count
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok || value.Sign() < 0 || value.Cmp(tooLarge) >= 0 || !new(big.Rat).Mul(value, hundred).IsInt() {
		return ""
	}
	return value.FloatString(2) // exact: it has no third decimal
}

// TestAmountsAreExact sends random decimals the whole way: JSON, decoded, a Parquet file of a lake, the load, numeric(18,2).
// What comes out is what exact arithmetic makes of the text that went in; what cannot be kept exactly is refused, never
// rounded.
func TestAmountsAreExact(t *testing.T) {
	db := newDatabase(t)
	l, err := lake.Open(t.TempDir(), "transactions")
	if err != nil {
		t.Fatal(err)
	}
	files := lake.NewWriter[payment.Row](l)
	w := db.warehouse(warehouse.FromLake(l), warehouse.WithBatch(50))
	const topicID, day = "p0De7JYCcLWu_eYemLaYjg", lake.Day("2024-01-05")
	at := time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC)
	kept, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.SliceOfN(anAmount, 1, 120).Draw(t, "amounts")
		state, err := l.State(background)
		if err != nil {
			t.Fatal(err)
		}
		first := state.Next(topicID, 0)
		want := map[int64]string{}
		var c lake.Chunk[payment.Row]
		c.Reset("transactions", topicID, 0, first)
		for i, amount := range amounts {
			offset := first + int64(i)
			var id uuid.UUID
			binary.BigEndian.PutUint64(id[8:], uint64(offset)) //nolint:gosec // ≥ 0
			rec := lake.Record{Offset: offset, Timestamp: at, Value: fmt.Appendf(nil, `{"transaction_id":%q,"status":"SUCCESS","event_time":"2024-01-05T12:00:00Z",`+
				`"initiated_at":"2024-01-05T12:00:00Z","amount":%s,"currency":"INR","customer_id":"c","merchant_id":"m","payment_method":"UPI"}`, id, amount)}
			if _, err := c.Take(&rec, func(rec *lake.Record, into *payment.Row) lake.Verdict {
				if err := payment.Decode(rec.Value, into); err != nil {
					return lake.Verdict{Broken: true, Field: "amount", Reason: err.Error()}
				}
				into.KafkaPartition, into.KafkaOffset = rec.Partition, rec.Offset
				into.KafkaTimestamp, into.IngestionTimestamp = rec.Timestamp.UnixMicro(), rec.Timestamp.UnixMicro()
				return lake.Verdict{}
			}); err != nil {
				t.Fatal(err)
			}
			if text := exact(amount); text != "" {
				want[offset] = text
				kept++
			} else {
				refused++
			}
		}
		b := files.Begin(topicID, state)
		if err := b.Add(&c); err != nil {
			t.Fatal(err)
		}
		sealed, err := b.Seal(lake.Topic{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Commit(background, sealed); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Load(background, request(day, 1)); err != nil {
			t.Fatal(err)
		}
		rows, err := db.pool.Query(background, `SELECT kafka_offset, amount::text FROM bronze.transactions WHERE kafka_offset >= $1`, first)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		got := 0
		for rows.Next() {
			var offset int64
			var text string
			if err := rows.Scan(&offset, &text); err != nil {
				t.Fatal(err)
			}
			if got++; text != want[offset] {
				t.Errorf("%s is %s in the table, want %q", amounts[offset-first], text, want[offset])
			}
		}
		if rows.Err() != nil || got != len(want) {
			t.Errorf("%d amounts are in the table, want %d (%v)", got, len(want), rows.Err())
		}
	})
	if kept < 50 || refused < 10 {
		t.Errorf("%d amounts kept and %d refused: the generator has lost a kind", kept, refused)
	}
	if n := db.count(`SELECT count(*) FROM bronze.rejected`); n != 0 {
		t.Errorf("the database refused %d rows that the contract allows", n)
	}
}
