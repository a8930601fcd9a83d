package payment

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode writes a value of which [Decode] makes the row again: the contract's fields in its order, then those of Extra
// as they were sent. It is not the value that the record had, so PayloadHash comes out otherwise; the Kafka columns and
// IngestionTimestamp are no part of it. It errs on a row that Decode cannot have made.
func Encode(row *Row) ([]byte, error) {
	e := encoder{text: append(make([]byte, 0, 512), '{')}
	e.string(transactionIDField, row.TransactionID)
	e.string(statusField, row.Status)
	e.time(eventTimeField, row.EventTime)
	e.time(initiatedAtField, row.InitiatedAt)
	e.name(amountField)
	e.text = append(AppendAmount(append(e.text, '"'), row.Amount), '"')
	e.string(currencyField, row.Currency)
	e.string(customerIDField, row.CustomerID)
	e.string(merchantIDField, row.MerchantID)
	e.string(paymentMethodField, row.PaymentMethod)
	for i, text := range []*string{row.CustomerEmail, row.MerchantCategory, row.DeviceType, row.IPAddress, row.City, row.Country} {
		if text != nil {
			e.string(customerEmailField+i, *text)
		}
	}
	e.name(isFraudField)
	e.text = strconv.AppendBool(e.text, row.IsFraud)
	if s := row.FraudScore; s != nil {
		if math.IsNaN(*s) || math.IsInf(*s, 0) {
			return nil, fmt.Errorf("encode a payment: fraud_score is %v", *s)
		}
		e.name(fraudScoreField)
		e.text = strconv.AppendFloat(e.text, *s, 'g', -1, 64)
	}
	if x := row.Extra; x != nil {
		if len(*x) < 2 || (*x)[0] != '{' {
			return nil, fmt.Errorf("encode a payment: extra is no JSON object: %s", quoted(*x))
		}
		e.text = append(append(e.text, ','), (*x)[1:len(*x)-1]...)
	}
	return append(e.text, '}'), e.err
}

type encoder struct {
	text []byte
	err  error
}

func (e *encoder) name(n int) {
	if len(e.text) > 1 {
		e.text = append(e.text, ',')
	}
	e.text = append(append(append(e.text, '"'), fieldNames[n]...), '"', ':')
}

func (e *encoder) string(n int, text string) {
	e.name(n)
	quoted, err := jsontext.AppendQuote(e.text, text)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("encode a payment: %s: %w", fieldNames[n], err)
	}
	e.text = quoted
}

func (e *encoder) time(n int, micros int64) {
	e.string(n, time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z"))
}
