package showcase

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// warns is the test that finds something in each run without failing it.
const warns = "assert_no_pending_older_than_3_days"

// details are what dbt says of a node beside its message.
func details(runner, name string, i int, v engine.VirtualState) []byte {
	d := map[string]any{"kind": strings.TrimPrefix(runner, "dbt_"), "unique_id": uniqueID(runner, name)}
	if v.State == engine.Success {
		d["seconds"] = 0.2 + 0.31*float64(i)
		if runner == "dbt_run" {
			d["kind"], d["rows"] = "model", 41000+137*i
		} else {
			d["failures"], d["warned"] = map[bool]int{true: 3}[name == warns], name == warns
		}
	}
	raw, _ := json.Marshal(d) // plain values always encode
	return raw
}

func uniqueID(runner, name string) string {
	if runner == "dbt_run" {
		return "model.pipeline." + name
	}
	return "test.pipeline." + name
}

// compiled is each model's SQL.
func compiled() []engine.Attachment {
	var out []engine.Attachment
	for _, m := range Models {
		from := `"warehouse"."bronze"."transactions"`
		if m[1] != "" {
			from = `"warehouse"."gold_build"."` + m[1] + `"`
		}
		out = append(out, engine.Attachment{Node: uniqueID("dbt_run", m[0]), Name: "compiled.sql", Text: `select
    candidate.transaction_id,
    candidate.status,
    candidate.amount,
    (candidate.initiated_at at time zone 'UTC')::date as transaction_date
from ` + from + ` as candidate
left join lateral (
    select * from "warehouse"."gold_build"."fct_transactions" as row_held
    where row_held.transaction_id = candidate.transaction_id
    limit 1 -- one look-up by index for each candidate
) as held on true
where held.transaction_id is null
    or (candidate.event_time, case candidate.status when 'PENDING' then 0 when 'REFUNDED' then 2 else 1 end) > (held.event_time, 1)
`})
	}
	return out
}

// foundRows is what the test that warns has found.
func foundRows() []engine.Attachment {
	text := func(s string) *string { return &s }
	table := engine.Table{Columns: []string{"transaction_id", "customer_id", "customer_email", "status", "event_time", "merchant_category"}, Found: 250}
	for i, id := range []string{"018d3a4e-2f6b-7c11-9a40-5d2f8e1b6c90", "018d3a51-90ab-7d02-8c13-77e0a4d1f352", "018d3a57-1c44-7e9f-b6d8-02c9b35e8a17"} {
		table.Rows = append(table.Rows, []*string{text(id), text("C-10" + string(rune('4'+i))), text("ada@example.com"), text("PENDING"), text("2026-02-1" + string(rune('3'+i)) + " 08:41:27.003+00"), nil})
	}
	return []engine.Attachment{{Node: uniqueID("dbt_test", warns), Name: "failing_rows", Table: &table}, {Node: uniqueID("dbt_test", warns), Name: "compiled.sql", Text: "select *\nfrom \"warehouse\".\"gold_build\".\"fct_transactions\"\nwhere status = 'PENDING' and event_time < now() - interval '3 days'\n"}}
}

// attachmentLine is how a log has an attachment.
func attachmentLine(at time.Time, a engine.Attachment) ([]byte, error) {
	line := map[string]any{"time": at, "level": "DEBUG", "msg": "attached " + a.Name, "attachment": a.Name, "node": a.Node, "text": a.Text}
	if a.Table != nil {
		table, err := json.Marshal(a.Table)
		if err != nil {
			return nil, err
		}
		line["table"] = string(table)
	}
	return json.Marshal(line)
}
