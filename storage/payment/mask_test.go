package payment_test

import (
	"testing"

	"github.com/tidemill/tidemill/storage/payment"
)

func TestMaskPersonal(t *testing.T) {
	for text, want := range map[string]string{
		``:         ``,
		`not JSON`: `not JSON`,
		`{"customer_email":"a\"b@c.de","ip_address":"10.1.2.3","amount":"1.25"}`:              `{"customer_email":"***","ip_address":"***","amount":"1.25"}`,
		`{"customer_email" : 12, "ip_address":null,"event_time":"2024-01-05T10:00:00+05:30"}`: `{"customer_email" : "***", "ip_address":"***","event_time":"2024-01-05T10:00:00+05:30"}`,
		`{"customer_email":"never closed`:                                                     `{"customer_email":"***"`,
		`{"x":"me@example.com","y":"fe80::1:2","z":"2001:db8:0:0:0:0:0:1"}`:                   `{"x":"***","y":"***","z":"***"}`,
		`amount is no number: "joe@x.org 192.168.0.1"`:                                        `amount is no number: "*** ***"`,
		"\x00\x01me@x.org\xff": "\x00\x01***\xff",
	} {
		if got := string(payment.MaskPersonal([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if payment.MaskPersonal(nil) != nil {
		t.Error("nothing became something")
	}
}
