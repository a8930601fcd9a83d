package interop

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/testkit/plainreader"
	"github.com/tidemill/tidemill/storage/lake/laketest"
	"github.com/tidemill/tidemill/storage/payment"
)

//go:embed rows.py
var rowsCode string

// types are what each reader is to take our columns for.
var types = []struct{ column, duckdb, pyarrow, spark string }{
	{"transaction_id", "VARCHAR", "string not null", "string"},
	{"status", "VARCHAR", "string not null", "string"},
	{"event_time", "TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC] not null", "timestamp"},
	{"initiated_at", "TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC] not null", "timestamp"},
	{"amount", "DECIMAL(18,2)", "decimal128(18, 2) not null", "decimal(18,2)"},
	{"currency", "VARCHAR", "string not null", "string"},
	{"customer_id", "VARCHAR", "string not null", "string"},
	{"merchant_id", "VARCHAR", "string not null", "string"},
	{"payment_method", "VARCHAR", "string not null", "string"},
	{"customer_email", "VARCHAR", "string", "string"},
	{"merchant_category", "VARCHAR", "string", "string"},
	{"device_type", "VARCHAR", "string", "string"},
	{"ip_address", "VARCHAR", "string", "string"},
	{"city", "VARCHAR", "string", "string"},
	{"country", "VARCHAR", "string", "string"},
	{"is_fraud", "BOOLEAN", "bool not null", "boolean"},
	{"fraud_score", "DOUBLE", "double", "double"},
	{"extra", "VARCHAR", "string", "string"},
	{"payload_hash", "BLOB", "fixed_size_binary[16] not null", "binary"},
	{"kafka_partition", "INTEGER", "int32 not null", "int"},
	{"kafka_offset", "BIGINT", "int64 not null", "bigint"},
	{"kafka_timestamp", "TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC] not null", "timestamp"},
	{"ingestion_timestamp", "TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC] not null", "timestamp"},
}

// answer is what one reader sees.
type answer struct {
	Types map[string]string `json:"types"`
	Rows  []seen            `json:"rows"`
	Dead  []deadSeen        `json:"dead"`
}

// seen is a row as readers tell it: times in microseconds, decimals as text, bytes in hexadecimal.
type seen struct {
	TransactionID      string   `json:"transaction_id"`
	Status             string   `json:"status"`
	EventTime          int64    `json:"event_time"`
	InitiatedAt        int64    `json:"initiated_at"`
	Amount             string   `json:"amount"`
	Currency           string   `json:"currency"`
	CustomerID         string   `json:"customer_id"`
	MerchantID         string   `json:"merchant_id"`
	PaymentMethod      string   `json:"payment_method"`
	CustomerEmail      *string  `json:"customer_email"`
	MerchantCategory   *string  `json:"merchant_category"`
	DeviceType         *string  `json:"device_type"`
	IPAddress          *string  `json:"ip_address"`
	City               *string  `json:"city"`
	Country            *string  `json:"country"`
	IsFraud            bool     `json:"is_fraud"`
	FraudScore         *float64 `json:"fraud_score"`
	Extra              *string  `json:"extra"`
	PayloadHash        string   `json:"payload_hash"`
	KafkaPartition     int32    `json:"kafka_partition"`
	KafkaOffset        int64    `json:"kafka_offset"`
	KafkaTimestamp     int64    `json:"kafka_timestamp"`
	IngestionTimestamp int64    `json:"ingestion_timestamp"`
}

// told is a row as a reader is to tell it.
func told(r payment.Row) seen {
	return seen{
		r.TransactionID, r.Status, r.EventTime, r.InitiatedAt, fmt.Sprintf("%d.%02d", r.Amount/100, r.Amount%100), r.Currency, r.CustomerID, r.MerchantID,
		r.PaymentMethod, r.CustomerEmail, r.MerchantCategory, r.DeviceType, r.IPAddress, r.City, r.Country, r.IsFraud, r.FraudScore, r.Extra,
		hex.EncodeToString(r.PayloadHash[:]), r.KafkaPartition, r.KafkaOffset, r.KafkaTimestamp, r.IngestionTimestamp,
	}
}

type deadSeen struct {
	Key       *string `json:"key"`
	Value     *string `json:"value"`
	Partition int32   `json:"kafka_partition"`
	Offset    int64   `json:"kafka_offset"`
	Timestamp int64   `json:"kafka_timestamp"`
}

// TestTypesAndValues: every column of every hostile record, and every dead letter's bytes.
func TestTypesAndValues(t *testing.T) {
	t.Parallel()
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	l, rows, dead := laketest.Hostile(t, 6000)
	var answers map[string]answer
	if err := reader.Run(rowsCode, map[string]string{"root": l.Root(), "topic": laketest.Topic}, &answers); err != nil {
		t.Fatal(err)
	}
	for name, a := range answers {
		for _, want := range types {
			kind := map[string]string{"duckdb": want.duckdb, "pyarrow": want.pyarrow}[name]
			if a.Types[want.column] != kind {
				t.Errorf("%s: column %s is a %s, want %s", name, want.column, a.Types[want.column], kind)
			}
		}
		if len(a.Types) != len(types) {
			t.Errorf("%s sees %d columns, want %d", name, len(a.Types), len(types))
		}
		sameRows(t, name, a.Rows, rows)
		if len(a.Dead) != len(dead) {
			t.Fatalf("%s sees %d dead letters, want %d", name, len(a.Dead), len(dead))
		}
		for i, d := range dead {
			want := deadSeen{hexOf(d.Key), hexOf(d.Value), d.Partition, d.Offset, d.Time.UnixMicro()}
			if !reflect.DeepEqual(a.Dead[i], want) {
				t.Errorf("%s sees the dead letter %s, want %s", name, text(a.Dead[i]), text(want))
			}
		}
	}
	if len(answers) != 2 || len(rows) < 4000 || len(dead) < 500 {
		t.Errorf("%d readers, %d rows, %d dead letters: too few to tell", len(answers), len(rows), len(dead))
	}
}

func sameRows(t *testing.T, reader string, got []seen, want []payment.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s sees %d rows, want %d", reader, len(got), len(want))
	}
	for i, r := range want {
		if w := told(r); !reflect.DeepEqual(got[i], w) {
			t.Errorf("%s sees %s, want %s", reader, text(got[i]), text(w))
		}
	}
}

func hexOf(b []byte) *string {
	if b == nil {
		return nil
	}
	s := hex.EncodeToString(b)
	return &s
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

//go:embed statistics.py
var statisticsCode string

// TestStatistics: each column chunk says its own nulls, least and greatest value, and has a page index.
func TestStatistics(t *testing.T) {
	t.Parallel()
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	l, _, _ := laketest.Hostile(t, 3000)
	type bounds struct {
		Nulls, Values int64
		Min, Max      any
	}
	var chunks []struct {
		File, Column string
		Said, Is     bounds
		Index        bool
	}
	if err := reader.Run(statisticsCode, map[string]string{"root": l.Root(), "topic": laketest.Topic}, &chunks); err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if !c.Index {
			t.Errorf("%s, %s: no page index", c.File, c.Column)
		}
		if !reflect.DeepEqual(c.Said, c.Is) {
			t.Errorf("%s, %s: it says %+v, it is %+v", c.File, c.Column, c.Said, c.Is)
		}
	}
	if len(chunks) < 10*len(types) {
		t.Errorf("%d column chunks: too few to tell", len(chunks))
	}
}

//go:embed pruning.py
var pruningCode string

// TestPruning: readers leave out row groups by their statistics, and files by their folders.
func TestPruning(t *testing.T) {
	t.Parallel()
	reader, ok := plainreader.Start(t)
	if !ok {
		return
	}
	const records, from = 400_000, 390_000 // of 2024-01-05 and 06: files of 345,600 and 54,400 rows, in row groups of 100,000
	l := laketest.Ordered(t, records)
	type scan struct {
		Count int64
		Sum   string
		Plan  string
	}
	var got struct {
		Groups     int   `json:"groups"`
		GroupsKept int   `json:"groups_kept"`
		ArrowCount int64 `json:"arrow_count"`
		Files      int   `json:"files"`
		FilesKept  int   `json:"files_kept"`
		ByOffset   scan  `json:"by_offset"`
		ByDay      scan  `json:"by_day"`
		Everything scan  `json:"everything"`
	}
	if err := reader.Run(pruningCode, map[string]any{"root": l.Root(), "topic": laketest.Topic, "from": from, "day": 6}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Groups != 5 || got.GroupsKept != 1 || got.ArrowCount != records-from || got.Files != 2 || got.FilesKept != 1 {
		t.Errorf("pyarrow keeps %d of %d row groups and %d of %d files, and counts %d", got.GroupsKept, got.Groups, got.FilesKept, got.Files, got.ArrowCount)
	}
	if got.ByOffset.Count != records-from || got.ByDay.Count != records-345_600 || got.Everything.Count != records {
		t.Errorf("DuckDB counts %d, %d, %d", got.ByOffset.Count, got.ByDay.Count, got.Everything.Count)
	}
	if !strings.Contains(got.ByDay.Plan, "1/2") {
		t.Errorf("DuckDB reads more than the file of the day:\n%s", got.ByDay.Plan)
	}
	if !strings.Contains(got.ByOffset.Plan, "Row Groups Scanned: 1 / 5") && strings.Contains(got.Everything.Plan, "Row Groups Scanned") { // older ones do not say
		t.Errorf("DuckDB reads more than the row group of the offsets:\n%s", got.ByOffset.Plan)
	}
}
