package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidemill/tidemill/internal/testkit"
)

func TestAnOrderBecomesAnInvoice(t *testing.T) {
	url := testkit.Postgres(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, url, l) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}()
	address := "http://" + l.Addr().String()
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	var order string
	eventually(t, "the service takes an order", func() bool { // before its DAG is registered, it does not
		status, body := call(t, http.MethodPost, address+"/orders?customer=Ada")
		order = strings.TrimSpace(body)
		return status == http.StatusAccepted
	})
	eventually(t, "there is an invoice", func() bool {
		var key string
		err := db.QueryRow(t.Context(), "SELECT key FROM invoices WHERE customer = 'Ada' AND number = 1").Scan(&key)
		return err == nil && key == "invoice/"+order+"/number/-1"
	})
	eventually(t, "the run is over", func() bool {
		_, body := call(t, http.MethodGet, address+"/api/v2/dags/invoice/dagRuns/"+order)
		return strings.Contains(body, `"state":"success"`)
	})
	if status, body := call(t, http.MethodGet, address+"/dags/invoice"); status != http.StatusOK || !strings.Contains(body, "invoice") {
		t.Errorf("the UI beside it answers %d: %s", status, body)
	}
}

func call(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
