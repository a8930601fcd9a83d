package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A Question is what an [Approve] asks. Text is the question as people read it.
type Question[T any, A ~string] struct {
	Text    func(T) string
	Answers []A
	Timeout time.Duration // 0: it waits for ever
	Default A             // taken when Timeout passes; "": the task fails then
}

// An Answer is how a person decided.
type Answer[A ~string] struct {
	Choice A         `json:"choice"`
	By     string    `json:"by"` // "" when nobody did in time and the default was taken
	At     time.Time `json:"at"`
}

// Approve makes a task that asks people, by UI or API, and yields their answer: who, when and what. It holds no slot while it waits.
func Approve[T any, A ~string](a In[T], id string, q Question[T, A], opts ...TaskOption) Node[Answer[A]] {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	t.checkQuestion(q.Text != nil, texts(q.Answers), q.Timeout, string(q.Default))
	t.spec.Answers, t.spec.DefaultAnswer, t.spec.WaitLimit = texts(q.Answers), string(q.Default), Duration(q.Timeout)
	t.body = func(_ context.Context, in *taskInputs) ([]byte, error) {
		v, err := a.value(in)
		if err != nil {
			return nil, err
		}
		return nil, &suspendError{Suspension{State: AwaitingInput, Timeout: q.Timeout, Question: &QuestionRow{
			Text: printable(q.Text(v)), Answers: t.spec.Answers, Default: string(q.Default),
		}}}
	}
	n := nodeOf[Answer[A]](t)
	t.checkOutput = func(raw []byte) error {
		if err := checkOutput[Answer[A]](raw); err != nil {
			return err
		}
		return t.checkAnswer(raw)
	}
	return n
}

func texts[A ~string](list []A) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = string(a)
	}
	return out
}

func (t *Task) checkQuestion(text bool, answers []string, timeout time.Duration, fallback string) {
	if !text {
		t.g.fail(t.where, "task %q: its question has no Text", t.spec.ID)
	}
	if len(answers) == 0 || slices.Contains(answers, "") {
		t.g.fail(t.where, "task %q: give at least one answer, none of them empty", t.spec.ID)
	}
	if timeout < 0 {
		t.g.fail(t.where, "task %q: Timeout %s: may not be below 0", t.spec.ID, timeout)
	}
	if fallback != "" && !slices.Contains(answers, fallback) {
		t.g.fail(t.where, "task %q: its default %q is none of its answers %q", t.spec.ID, fallback, answers)
	}
	if fallback != "" && timeout == 0 {
		t.g.fail(t.where, "task %q: its default %q is never taken without a Timeout", t.spec.ID, fallback)
	}
}

// checkAnswer tells whether the output of a question is one of its answers.
func (t *Task) checkAnswer(raw []byte) error {
	var a Answer[string]
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	if !slices.Contains(t.spec.Answers, a.Choice) {
		return fmt.Errorf("choice %q is none of %q", a.Choice, t.spec.Answers)
	}
	return nil
}
