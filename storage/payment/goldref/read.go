package goldref

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Payment is what an accepted record says. Times are in UTC and cut to microseconds, Amount is in hundredths, a nil
// pointer is null.
type Payment struct {
	TransactionID, Status                      string
	EventTime, InitiatedAt                     Micros
	Amount                                     int64
	Currency, CustomerID, MerchantID, Method   string
	Email, Category, Device, IP, City, Country *string
	IsFraud                                    bool
	FraudScore                                 *float64
	// Extra is the text of the object of all unknown fields, "" when there is none.
	Extra string
}

// Micros is a time in microseconds since 1970-01-01 UTC.
type Micros int64

// Read reads a record's value by the contract; the error says how the value breaks it.
func Read(value []byte) (Payment, error) {
	if !utf8.Valid(value) {
		return Payment{}, errors.New("not UTF-8")
	}
	if !json.Valid(value) {
		return Payment{}, errors.New("not JSON")
	}
	if bytes.TrimLeft(value, " \t\r\n")[0] != '{' {
		return Payment{}, errors.New("not an object")
	}
	if err := checkStrings(value); err != nil {
		return Payment{}, err
	}
	if err := checkNames(value, 1); err != nil {
		return Payment{}, err
	}
	all, err := members(value)
	if err != nil {
		return Payment{}, err
	}
	return fill(all)
}

// member is one name and value of an object, as sent and, for the name, as meant.
type member struct {
	name    string
	rawName string
	raw     json.RawMessage
}

// members splits an object, in the order sent.
func members(object []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var all []member
	for decoder.More() {
		before := decoder.InputOffset()
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: token.(string)}
		m.rawName = strings.Trim(string(object[before:decoder.InputOffset()]), " \t\r\n,")
		if err := decoder.Decode(&m.raw); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// checkNames refuses a name that an object has twice, and what nests deeper than 64, at any depth.
func checkNames(value json.RawMessage, depth int) error {
	value = bytes.TrimSpace(value)
	switch {
	case value[0] != '{' && value[0] != '[':
		return nil
	case depth > 64:
		return errors.New("nests deeper than 64")
	case value[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		for _, element := range list {
			if err := checkNames(element, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := members(value)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.name] {
			return fmt.Errorf("%q is there twice", m.name)
		}
		seen[m.name] = true
		if err := checkNames(m.raw, depth+1); err != nil {
			return err
		}
	}
	return nil
}

var (
	stringLiteral = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	escape        = regexp.MustCompile(`\\(?:u([0-9a-fA-F]{4})|.)`)
)

// checkStrings refuses U+0000 and surrogates without their other half in any string and name of a JSON text.
func checkStrings(text []byte) error {
	for _, literal := range stringLiteral.FindAll(text, -1) {
		end, high := -1, rune(0) // where the last escape ended, and the high surrogate that it was
		for _, at := range escape.FindAllSubmatchIndex(literal, -1) {
			unit := rune(0)
			if at[2] >= 0 {
				n, err := strconv.ParseUint(string(literal[at[2]:at[3]]), 16, 32)
				if err != nil {
					return err
				}
				if unit = rune(n); unit == 0 {
					return errors.New("holds U+0000")
				}
			}
			low := unit >= 0xdc00 && unit <= 0xdfff
			paired := high != 0 && at[0] == end && utf16.DecodeRune(high, unit) != utf8.RuneError
			if low != paired || high != 0 && !paired {
				return errors.New("holds an unpaired surrogate")
			}
			if end, high = at[1], 0; unit >= 0xd800 && unit <= 0xdbff {
				high = unit
			}
		}
		if high != 0 {
			return errors.New("holds an unpaired surrogate")
		}
	}
	return nil
}

var (
	known = strings.Fields(`transaction_id status event_time initiated_at amount currency customer_id merchant_id
		payment_method customer_email merchant_category device_type ip_address city country is_fraud fraud_score`)

	uuid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	status   = regexp.MustCompile(`^(PENDING|SUCCESS|FAILED|REFUNDED)$`)
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
	party    = regexp.MustCompile(`(?s)^.{1,64}$`)
	method   = regexp.MustCompile(`^(UPI|CARD|NETBANKING|WALLET)$`)
)

// fill applies the table of the contract.
func fill(all []member) (Payment, error) {
	var p Payment
	f := fields{raw: map[string]json.RawMessage{}}
	var extra []string
	for _, m := range all {
		if slices.Contains(known, m.name) {
			f.raw[m.name] = m.raw
		} else {
			extra = append(extra, m.rawName+":"+string(m.raw))
		}
	}
	if extra != nil {
		p.Extra = "{" + strings.Join(extra, ",") + "}"
	}
	p.TransactionID = strings.ToLower(f.match("transaction_id", uuid))
	p.Status = f.match("status", status)
	p.EventTime = f.time("event_time")
	p.InitiatedAt = f.time("initiated_at")
	p.Amount = f.amount("amount")
	p.Currency = f.match("currency", currency)
	p.CustomerID = f.match("customer_id", party)
	p.MerchantID = f.match("merchant_id", party)
	p.Method = f.match("payment_method", method)
	p.Email, p.Category, p.Device = f.optional("customer_email"), f.optional("merchant_category"), f.optional("device_type")
	p.IP, p.City, p.Country = f.optional("ip_address"), f.optional("city"), f.optional("country")
	if raw, ok := f.get("is_fraud"); ok {
		f.decode("is_fraud", raw, &p.IsFraud)
	}
	if raw, ok := f.get("fraud_score"); ok {
		p.FraudScore = new(float64)
		f.decode("fraud_score", raw, p.FraudScore)
		if *p.FraudScore < 0 || *p.FraudScore > 1 {
			f.fail("fraud_score", "not between 0 and 1")
		}
	}
	return p, f.err
}
