package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// commit is one row inserted and committed, by one session, one after the other: the price of durability on this disk.
func commit(ctx context.Context, l *lab) ([]figure, error) {
	address, drop, err := l.database(ctx)
	if err != nil {
		return nil, err
	}
	defer drop()
	var took []float64
	err = on(ctx, address, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `CREATE TABLE commits (n bigint)`); err != nil {
			return err
		}
		for i := range l.sizes.commits {
			began := time.Now()
			if _, err := conn.Exec(ctx, `INSERT INTO commits VALUES ($1)`, i); err != nil {
				return fmt.Errorf("insert a row: %w", err)
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []figure{{key: "ms", unit: "ms", value: median(took)}}, nil
}
