package payment_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// The columns that programs outside rely on, with their Parquet types.
func TestRowIsTheSchemaOfBronze(t *testing.T) {
	want := []string{
		"required transaction_id STRING", "required status STRING", "required event_time TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)",
		"required initiated_at TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "required amount DECIMAL(18,2)", "required currency STRING",
		"required customer_id STRING", "required merchant_id STRING", "required payment_method STRING", "optional customer_email STRING",
		"optional merchant_category STRING", "optional device_type STRING", "optional ip_address STRING", "optional city STRING",
		"optional country STRING", "required is_fraud BOOLEAN", "optional fraud_score DOUBLE", "optional extra STRING",
		"required payload_hash FIXED_LEN_BYTE_ARRAY(16)", "required kafka_partition INT(32,true)", "required kafka_offset INT(64,true)",
		"required kafka_timestamp TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "required ingestion_timestamp TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)",
	}
	var got []string
	for _, field := range parquet.SchemaOf(payment.Row{}).Fields() {
		presence := "required"
		if field.Optional() {
			presence = "optional"
		}
		got = append(got, fmt.Sprint(presence, " ", field.Name(), " ", field.Type()))
		if field.Name() == "amount" && field.Type().Kind() != parquet.Int64 {
			t.Errorf("amount is stored as %s, want INT64", field.Type().Kind())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// sampleRows decodes the accepted records of the sample.
func sampleRows(t testing.TB) (rows []payment.Row) {
	t.Helper()
	r, err := events.Open("../../testdata/payments-7d/events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for event, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		var row payment.Row
		if payment.Decode(event.Value, &row) == nil {
			row.KafkaOffset, row.KafkaTimestamp = int64(r.Line()), event.Time.UnixMicro()
			row.IngestionTimestamp = event.Time.Add(time.Second).UnixMicro()
			rows = append(rows, row)
		}
	}
	return rows
}

func writeRows(t testing.TB, output io.Writer, rows []payment.Row, codec compress.Codec) {
	t.Helper()
	w := parquet.NewGenericWriter[payment.Row](output, parquet.Compression(codec))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRowsComeBackFromParquet(t *testing.T) {
	rows := sampleRows(t)
	for i, event := range goldref.Hostile(3, 3000) {
		var row payment.Row
		if event.Value != nil && payment.Decode(event.Value, &row) == nil {
			row.KafkaPartition, row.KafkaOffset, row.KafkaTimestamp = event.Partition, int64(i), event.Time.UnixMicro()
			rows = append(rows, row)
		}
	}
	var file bytes.Buffer
	writeRows(t, &file, rows, &snappy.Codec{})
	got, err := parquet.Read[payment.Row](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], rows[i]) {
			t.Fatalf("row %d: got %+v, want %+v", i, got[i], rows[i])
		}
	}
}

func BenchmarkWriteParquet(b *testing.B) {
	rows := sampleRows(b)
	for _, codec := range []compress.Codec{&snappy.Codec{}, &zstd.Codec{Level: zstd.SpeedFastest}, &zstd.Codec{Level: zstd.SpeedDefault}} {
		b.Run(fmt.Sprint(codec), func(b *testing.B) {
			b.ReportAllocs()
			var file bytes.Buffer
			for b.Loop() {
				file.Reset()
				writeRows(b, &file, rows, codec)
			}
			b.ReportMetric(float64(file.Len())/float64(len(rows)), "B/row")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
		})
	}
}

func TestTheSchemaTellsItsVersion(t *testing.T) {
	text, err := os.ReadFile("../../docs/contract/transaction.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Version int `json:"x-version"`
	}
	if err := json.Unmarshal(text, &schema); err != nil || schema.Version != payment.ContractVersion {
		t.Errorf("the schema is of version %d, the code of %d (%v)", schema.Version, payment.ContractVersion, err)
	}
}
