package payment_test

import (
	"reflect"
	"testing"

	"github.com/tidemill/tidemill/storage/payment"
)

// TestErase: every column is personal, and is taken out, or is not, and stays: one
// that is added has to be decided on here.
func TestErase(t *testing.T) {
	personal := map[string]bool{"CustomerID": true, "CustomerEmail": true, "DeviceType": true, "IPAddress": true, "City": true, "Extra": true}
	full := func() payment.Row {
		text, score := "x", 0.5
		return payment.Row{
			TransactionID: "t", Status: "PENDING", EventTime: 1, InitiatedAt: 2, Amount: 3, Currency: "INR", CustomerID: "c", MerchantID: "m",
			PaymentMethod: "UPI", CustomerEmail: &text, MerchantCategory: &text, DeviceType: &text, IPAddress: &text, City: &text, Country: &text,
			IsFraud: true, FraudScore: &score, Extra: &text, PayloadHash: [16]byte{1}, KafkaPartition: 4, KafkaOffset: 5, KafkaTimestamp: 6, IngestionTimestamp: 7,
		}
	}
	was, is := full(), full()
	is.Erase()
	x, y := reflect.ValueOf(was), reflect.ValueOf(is)
	for i := range x.NumField() {
		name := x.Type().Field(i).Name
		if x.Field(i).IsZero() {
			t.Errorf("%s is empty in the test: say here whether it is personal", name)
		}
		if same := reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()); same == personal[name] {
			t.Errorf("%s: it was %v and is %v", name, x.Field(i), y.Field(i))
		}
	}
	if was.Person() != "c" || is.Person() != payment.Erased || is.CustomerEmail != nil || is.Extra != nil {
		t.Errorf("%+v", is)
	}
	if f, _ := x.Type().FieldByName("CustomerID"); f.Tag.Get("parquet") != was.PersonColumn() {
		t.Errorf("the person's column is %s", was.PersonColumn())
	}
	if _, err := payment.Encode(&is); err != nil {
		t.Error(err)
	}
}
