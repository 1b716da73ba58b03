(** Chapter 10, networks on a line: a change of labels costs a unit, and no more. *)

From Coq Require Import Reals Lra Lia Bool.
From Robust Require Import Common Pairs Line Zeros.
Open Scope R_scope.

(** * Labelled points in order *)

(** How often the labels y 0, ..., y n change. *)
Fixpoint changes (n : nat) (y : nat -> bool) : nat :=
  match n with
  | O => O
  | S n => if Bool.eqb (y n) (y (S n)) then changes n y else S (changes n y)
  end.

Lemma changes_label n y : y n = if Nat.even (changes n y) then y O else negb (y O).
Proof.
  induction n as [|n IH]; [easy|]. simpl. destruct (Bool.eqb (y n) (y (S n))) eqn:E.
  - apply eqb_prop in E. now rewrite <- E.
  - apply eqb_false_iff in E. rewrite Nat.even_succ, <- Nat.negb_even.
    destruct (Nat.even (changes n y)); destruct (y n), (y (S n)), (y O); simpl in *; congruence.
Qed.

Lemma changes_monotone y i j : (i <= j)%nat -> (changes i y <= changes j y)%nat.
Proof.
  induction j as [|j IH]; intros H; [now replace i with O by lia|].
  destruct (Nat.eq_dec i (S j)) as [->|]; [easy|]. specialize (IH ltac:(lia)).
  simpl. destruct Bool.eqb; lia.
Qed.

(** A point after each number of changes. *)
Lemma changes_attained n y r : (r <= changes n y)%nat -> exists i, (i <= n)%nat /\ changes i y = r.
Proof.
  induction n as [|n IH]; intros H; [exists O; simpl in *; lia|].
  destruct (le_lt_dec r (changes n y)) as [L|L].
  - destruct (IH L) as (i & Hi & E). exists i. split; [lia|easy].
  - exists (S n). split; [easy|]. simpl in *. destruct Bool.eqb; lia.
Qed.

(** Something between all numbers of one finite set and all of another. *)
Lemma between n (P Q : nat -> bool) (u v : nat -> R) :
  (exists i, (i <= n)%nat /\ P i = true) -> (exists i, (i <= n)%nat /\ Q i = true) ->
  (forall i j, (i <= n)%nat -> (j <= n)%nat -> P i = true -> Q j = true -> u i < v j) ->
  exists c, (forall i, (i <= n)%nat -> P i = true -> u i < c) /\
    (forall j, (j <= n)%nat -> Q j = true -> c < v j).
Proof.
  intros (i0 & Hi0 & Pi0) (j0 & Hj0 & Qj0) H.
  destruct (least_index (S n) (fun i => if P i then - u i else - u i0) ltac:(lia)) as (i & Hi & Mi).
  destruct (least_index (S n) (fun j => if Q j then v j else v j0) ltac:(lia)) as (j & Hj & Mj).
  assert (I : exists i', (i' <= n)%nat /\ P i' = true /\ forall l, (l <= n)%nat -> P l = true -> u l <= u i').
  { destruct (P i) eqn:E.
    - exists i. split; [lia|split; [easy|]]. intros l Hl Pl. specialize (Mi l ltac:(lia)).
      cbv beta in Mi. rewrite ?E, Pl in Mi. lra.
    - exists i0. split; [easy|split; [easy|]]. intros l Hl Pl. specialize (Mi l ltac:(lia)).
      cbv beta in Mi. rewrite ?E, Pl in Mi. lra. }
  assert (J : exists j', (j' <= n)%nat /\ Q j' = true /\ forall l, (l <= n)%nat -> Q l = true -> v j' <= v l).
  { destruct (Q j) eqn:E.
    - exists j. split; [lia|split; [easy|]]. intros l Hl Ql. specialize (Mj l ltac:(lia)).
      cbv beta in Mj. rewrite ?E, Ql in Mj. lra.
    - exists j0. split; [easy|split; [easy|]]. intros l Hl Ql. specialize (Mj l ltac:(lia)).
      cbv beta in Mj. rewrite ?E, Ql in Mj. lra. }
  destruct I as (p & Hp & Pp & Ip). destruct J as (q & Hq & Qq & Jq).
  assert (L := H p q Hp Hq Pp Qq). exists ((u p + v q) / 2). split.
  - intros l Hl Pl. specialize (Ip l Hl Pl). lra.
  - intros l Hl Ql. specialize (Jq l Hl Ql). lra.
Qed.

Theorem prop_line :
  forall (n : nat) (t lo hi : nat -> R) (y : nat -> bool),
  (forall i, (i < n)%nat -> t i < t (S i)) ->  (* ours: the n + 1 points are in order *)
  (forall i, (i <= n)%nat -> lo i <= t i <= hi i) ->  (* book: the closed intervals around the points *)
  (forall i j, (i <= n)%nat -> (j <= n)%nat -> y i <> y j -> hi i < lo j \/ hi j < lo i) ->
  (* book: intervals of different labels are disjoint *)
  let s := changes n y in  (* book: change their label $s$ times *)
  let width := if Nat.leb s 3 then s else (s - 1)%nat in
  (* book: is $0,1,2,3$ for $s=0,1,2,3$, and $s-1$ for $s\ge4$ *)
  (forall k c a w b,
    (forall i, (i <= n)%nat -> 0 < sign (y i) * line_net k c a w b (t i)) -> (width <= k)%nat)
  (* book: right at all of them *)
  /\
  (exists c a w b, forall i x, (i <= n)%nat -> lo i <= x <= hi i ->
    0 < sign (y i) * line_net width c a w b x).  (* book: It is the same for the closed intervals *)
Proof.
  intros n t lo hi y Hord Hin Hdis s width. split.
  - (* a point of each run of equal labels *)
    intros k c a w b Hright. change width with (Line.width s).
    destruct (finite_choice (S s) (fun r i => (i <= n)%nat /\ changes i y = r) O) as [e He].
    { intros r Hr. apply changes_attained. fold s. lia. }
    assert (mono : forall i j, (i < j)%nat -> (j <= n)%nat -> t i < t j).
    { intros i j Hij. induction j as [|j IH]; intros Hj; [lia|].
      assert (A := Hord j ltac:(lia)). destruct (Nat.eq_dec i j) as [->|]; [easy|].
      specialize (IH ltac:(lia) ltac:(lia)). lra. }
    apply (not_fewer k s c a w b (fun r => t (e r))). split.
    + intros r Hr. destruct (He r ltac:(lia)) as [I E]. destruct (He (S r) ltac:(lia)) as [I' E'].
      apply mono; [|easy]. destruct (Nat.lt_ge_cases (e r) (e (S r))) as [|G]; [easy|].
      apply (changes_monotone y) in G. lia.
    + intros r Hr. destruct (He r ltac:(lia)) as [I E]. destruct (He (S r) ltac:(lia)) as [I' E'].
      assert (A := Hright _ I). assert (A' := Hright _ I').
      rewrite (changes_label (e r)), E in A. rewrite (changes_label (e (S r))), E' in A'.
      rewrite Nat.even_succ, <- Nat.negb_even in A'.
      destruct (Nat.even r), (y O); simpl in A, A'; nra.
  - change width with (Line.width s).
    (* a zero in each gap between two runs *)
    destruct (finite_choice s (fun r z =>
      (forall i, (i <= n)%nat -> Nat.eqb (changes i y) r = true -> hi i < z) /\
      (forall j, (j <= n)%nat -> Nat.eqb (changes j y) (S r) = true -> z < lo j)) 0) as [z Hz].
    { intros r Hr. apply (between n (fun i => Nat.eqb (changes i y) r)
        (fun j => Nat.eqb (changes j y) (S r)) hi lo).
      - destruct (changes_attained n y r ltac:(fold s; lia)) as (i & Hi & E). exists i.
        split; [easy|now apply Nat.eqb_eq].
      - destruct (changes_attained n y (S r) ltac:(fold s; lia)) as (i & Hi & E). exists i.
        split; [easy|now apply Nat.eqb_eq].
      - intros i j Hi Hj Ei Ej. apply Nat.eqb_eq in Ei, Ej.
        assert (D : y i <> y j).
        { rewrite (changes_label i), (changes_label j), Ei, Ej, Nat.even_succ, <- Nat.negb_even.
          destruct (Nat.even r), (y O); easy. }
        assert (Hij : (i < j)%nat).
        { destruct (Nat.lt_ge_cases i j) as [|G]; [easy|]. apply (changes_monotone y) in G. lia. }
        assert (T : t i < t j).
        { clear -Hord Hij Hj. induction j as [|j IH]; [lia|]. assert (A := Hord j ltac:(lia)).
          destruct (Nat.eq_dec i j) as [->|]; [easy|]. specialize (IH ltac:(lia) ltac:(lia)). lra. }
        assert (A := Hin i Hi). assert (B := Hin j Hj). destruct (Hdis i j Hi Hj D); lra. }
    assert (Hinc : forall j, (S j < s)%nat -> z j < z (S j)).
    { intros j Hj. destruct (changes_attained n y (S j) ltac:(fold s; lia)) as (i & Hi & E).
      apply Nat.eqb_eq in E. assert (A := proj2 (Hz j ltac:(lia)) i Hi E).
      assert (B := proj1 (Hz (S j) ltac:(lia)) i Hi E). assert (C := Hin i Hi). lra. }
    (* beyond all intervals *)
    destruct (least_index (S n) (fun i => - hi i) ltac:(lia)) as (l & Hl & Ml).
    destruct (zeros_net s z (hi l) Hinc) as (c & a & w & b & Hnet).
    set (e := - sign (y O)).
    exists (e * c), (fun r => e * a r), w, b. intros i x Hi Hx.
    assert (scale : line_net (Line.width s) (e * c) (fun r => e * a r) w b x =
      e * line_net (Line.width s) c a w b x).
    { unfold line_net. rewrite Rmult_plus_distr_l. f_equal. rewrite <- total_scal.
      apply total_ext. intros. ring. }
    assert (N : 0 < - alt (changes i y) * line_net (Line.width s) c a w b x).
    { apply Hnet.
      - apply changes_monotone. lia.
      - specialize (Ml i ltac:(lia)). cbv beta in Ml. lra.
      - intros P. assert (B := proj2 (Hz (pred (changes i y)) ltac:(
          assert (M := changes_monotone y i n Hi); fold s in M; lia)) i Hi).
        replace (S (pred (changes i y))) with (changes i y) in B by lia.
        specialize (B (Nat.eqb_refl _)). lra.
      - intros P. assert (B := proj1 (Hz (changes i y) P) i Hi (Nat.eqb_refl _)). lra. }
    rewrite scale, (changes_label i). unfold e. unfold alt in N.
    destruct (Nat.even (changes i y)), (y O); simpl in *; lra.
Qed.
