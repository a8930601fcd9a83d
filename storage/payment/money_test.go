package payment

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseAmountNumber(t *testing.T) {
	zeros := strings.Repeat("0", 5000)
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "-0.000": 0, "-0e5": 0, "0e40": 0, "0e-40": 0,
		"1": 100, "0.07": 7, "0.1": 10, "1.230": 123, "1e3": 100000, "1E+3": 100000, "1.5e0": 150, "12e-2": 12, "120e-3": 12,
		"1e00040": -1, "1e015": 1e17, "0.01": 1, "1e-2": 1, "10e-3": 1, "100e-40": -2,
		"9999999999999999.99": 999_999_999_999_999_999, "9999999999999999.990": 999_999_999_999_999_999,
		"999999999999999999e-2": 999_999_999_999_999_999, "0.0000000000000000000000000000000000000001e40": 100,
		"1" + zeros: -1, "1." + zeros: 100, "0." + zeros + "1": -2, "1" + zeros[:38] + "e-40": 1,
	} {
		got, err := ParseAmountNumber(text)
		name := text[:min(len(text), 50)]
		switch {
		case want == -1 && err != errAmountTooLarge, want == -2 && err != errAmountDecimals:
			t.Errorf("%s: %d, %v; want an error", name, got, err)
		case want >= 0 && (got != want || err != nil):
			t.Errorf("%s: %d, %v; want %d", name, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"10000000000000000": errAmountTooLarge, "1e16": errAmountTooLarge, "1e40": errAmountTooLarge,
		"0.001": errAmountDecimals, "1.234": errAmountDecimals, "1e-3": errAmountDecimals, "9999999999999999.995": errAmountDecimals,
		"-1": errAmountNegative, "-0.01": errAmountNegative, "-0.001": errAmountNegative, "-1e20": errAmountNegative,
		"1e41": errAmountExponent, "0e41": errAmountExponent, "1e-41": errAmountExponent, "0e-41": errAmountExponent,
		"1e99999999999999999999": errAmountExponent, "-0e41": errAmountExponent,
		"": errAmountNumber, "-": errAmountNumber, ".5": errAmountNumber, "5.": errAmountNumber, "1e": errAmountNumber,
		"1e+": errAmountNumber, "1e1.0": errAmountNumber, "+1": errAmountNumber, "1.2.3": errAmountNumber, "0x10": errAmountNumber,
		"NaN": errAmountNumber, "1_000": errAmountNumber, "--1": errAmountNumber,
	} {
		if got, err := ParseAmountNumber(text); err != want {
			t.Errorf("%s: %d, error %v; want %v", text, got, err, want)
		}
	}
}

func TestParseAmountText(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "00": 0, "99.27": 9927, "5": 500, "5.1": 510, "5.10": 510, "5.1000000": 510, "5.120000": 512,
		"0000000000000001": 100, "9999999999999999.99": 999_999_999_999_999_999, "5.000000": 500,
	} {
		if got, err := ParseAmountText(text); got != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "1 ", " 1", "-1", "-0", "+1", "1e3", ".5", "5.", "1,5", "1.234", "0.001", "00000000000000001", "10000000000000000",
		"1.2.3", "1.0010", "NaN", "٣", "1\n",
	} {
		if got, err := ParseAmountText(text); err == nil {
			t.Errorf("%q: %d; want an error", text, got)
		}
	}
}

func TestFormatAmount(t *testing.T) {
	for hundredths, want := range map[int64]string{
		0: "0.00", 1: "0.01", 10: "0.10", 100: "1.00", 9927: "99.27", 999_999_999_999_999_999: "9999999999999999.99",
		-1: "-0.01", -12345: "-123.45", math.MinInt64: "-92233720368547758.08", math.MaxInt64: "92233720368547758.07",
	} {
		if got := FormatAmount(hundredths); got != want {
			t.Errorf("%d: %s, want %s", hundredths, got, want)
		}
	}
}

// Random decimals against math/big: the same verdict and the same value.
func TestAmountsAgreeWithExactArithmetic(t *testing.T) {
	limit := new(big.Rat).SetInt64(1e16)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,6}0{0,20})?`).Draw(t, "mantissa")
		if rapid.Bool().Draw(t, "has exponent") {
			text += fmt.Sprintf("e%d", rapid.IntRange(-45, 45).Draw(t, "exponent"))
		}
		got, err := ParseAmountNumber(text)
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		var exponent int
		if _, after, found := strings.Cut(text, "e"); found {
			fmt.Sscan(after, &exponent)
		}
		hundredths := new(big.Rat).Mul(exact, big.NewRat(100, 1))
		keeps := exact.Sign() >= 0 && exact.Cmp(limit) < 0 && hundredths.IsInt() && exponent >= -40 && exponent <= 40
		if keeps != (err == nil) {
			t.Fatalf("%s: error %v, but keeps the contract: %t", text, err, keeps)
		}
		if keeps && hundredths.Cmp(new(big.Rat).SetInt64(got)) != 0 {
			t.Fatalf("%s: %d hundredths, want %s", text, got, hundredths)
		}
	})
}

func TestAmountsComeBackFromTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(0, 999_999_999_999_999_999).Draw(t, "hundredths")
		text := FormatAmount(want)
		if got, err := ParseAmountText(text); got != want || err != nil {
			t.Fatalf("%s as text: %d, %v; want %d", text, got, err, want)
		}
		if got, err := ParseAmountNumber(text); got != want || err != nil {
			t.Fatalf("%s as a number: %d, %v; want %d", text, got, err, want)
		}
	})
}
