(** Chapter 10, pairs in the maximum norm. *)

From Coq Require Import Reals Lra Lia List Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs Groups.
Open Scope R_scope.

(** The distance of the maximum norm in d coordinates. *)
Fixpoint largest (d : nat) (u : nat -> R) : R :=
  match d with O => 0 | S d => Rmax (largest d u) (u d) end.
Definition max_distance (d : nat) (x y : nat -> R) : R := largest d (fun i => Rabs (x i - y i)).

Lemma largest_le d u r : 0 <= r -> (forall i, (i < d)%nat -> u i <= r) -> largest d u <= r.
Proof.
  intros Hr H. induction d as [|d IH]; simpl; [easy|].
  apply Rmax_lub; [apply IH; intros; apply H; lia|apply H; lia].
Qed.

Lemma largest_ge d u i : (i < d)%nat -> u i <= largest d u.
Proof.
  induction d as [|d IH]; intros Hi; [lia|]. simpl. destruct (Nat.eq_dec i d) as [->|].
  - apply Rmax_r.
  - eapply Rle_trans; [apply IH; lia|apply Rmax_l].
Qed.

Lemma largest_nonneg d u : 0 <= largest d u.
Proof. induction d as [|d IH]; simpl; [lra|]. eapply Rle_trans; [exact IH|apply Rmax_l]. Qed.

Lemma largest_ext d u v : (forall i, u i = v i) -> largest d u = largest d v.
Proof. intros H. induction d as [|d IH]; simpl; [easy|]. now rewrite IH, H. Qed.

Lemma near_all d x y r i : max_distance d x y <= r -> (i < d)%nat -> Rabs (x i - y i) <= r.
Proof. intros H Hi. eapply Rle_trans; [|exact H]. now apply (largest_ge d (fun i => Rabs (x i - y i))). Qed.

(** * Splits of k points into two non-empty parts, numbered 1, ..., 2 ^ (k - 1) - 1 *)

(** Is point j in the part of point 0? *)
Definition same_part (s j : nat) : bool :=
  match j with O => true | S j => negb (Nat.testbit s j) end.

Lemma code K (u : nat -> bool) :
  exists s, (s < 2 ^ K)%nat /\ forall j, (j < K)%nat -> Nat.testbit s j = u j.
Proof.
  revert u. induction K as [|K IH]; intros u; [exists O; split; [simpl; lia|lia]|].
  destruct (IH (fun j => u (S j))) as (s & Hs & H).
  exists (if u O then 2 * s + 1 else 2 * s)%nat. split.
  - simpl. destruct (u O); lia.
  - intros [|j] Hj.
    + destruct (u O) eqn:E; [apply Nat.testbit_odd_0|apply Nat.testbit_even_0].
    + rewrite <- H by lia. destruct (u O); [apply Nat.testbit_odd_succ|apply Nat.testbit_even_succ]; lia.
Qed.

(** Different numbers are different splits. *)
Lemma split_different K s s' : (s < 2 ^ K)%nat -> (s' < 2 ^ K)%nat -> s <> s' ->
  exists j, (j < K)%nat /\ Nat.testbit s j <> Nat.testbit s' j.
Proof.
  revert s s'. induction K as [|K IH]; intros s s' Hs Hs' H; [simpl in *; lia|].
  destruct (bool_dec (Nat.testbit s 0) (Nat.testbit s' 0)) as [E|E]; [|exists O; split; [lia|easy]].
  destruct (IH (s / 2)%nat (s' / 2)%nat) as (j & Hj & D).
  - apply Nat.div_lt_upper_bound; [lia|]. simpl in Hs. lia.
  - apply Nat.div_lt_upper_bound; [lia|]. simpl in Hs'. lia.
  - intros E2. apply H. rewrite !Nat.bit0_odd in E.
    rewrite (Nat.div_mod_eq s 2), (Nat.div_mod_eq s' 2), E2. f_equal.
    rewrite <- !Nat.bit0_mod, !Nat.bit0_odd. now rewrite E.
  - exists (S j). split; [lia|]. rewrite <- !Nat.div2_bits. exact D.
Qed.

(** * Part 2: a coordinate has few threshold splits *)

(** How many of k points lie in the set A. *)
Fixpoint count (k : nat) (A : nat -> bool) : nat :=
  match k with O => O | S k => (count k A + if A k then 1 else 0)%nat end.

Lemma count_range k A i j : (i < k)%nat -> (j < k)%nat -> A i = true -> A j = false ->
  (0 < count k A < k)%nat.
Proof.
  assert (P : forall k i, (i < k)%nat -> A i = true -> (0 < count k A)%nat).
  { clear. induction k as [|k IH]; intros i Hi E; [lia|]. simpl. destruct (Nat.eq_dec i k) as [->|].
    - rewrite E. lia.
    - assert (H := IH i ltac:(lia) E). lia. }
  assert (U : forall k, (count k A <= k)%nat).
  { clear. induction k as [|k IH]; simpl; [lia|]. destruct (A k); lia. }
  assert (Q : forall k j, (j < k)%nat -> A j = false -> (count k A < k)%nat).
  { clear -U. induction k as [|k IH]; intros j Hj E; [lia|]. simpl. assert (H := U k).
    destruct (Nat.eq_dec j k) as [->|]; [rewrite E; lia|].
    assert (H1 := IH j ltac:(lia) E). destruct (A k); lia. }
  intros Hi Hj Ei Ej. split; [now apply (P k i)|now apply (Q k j)].
Qed.

(** Sets of the same size, of which neither has a point that the other lacks, or both have. *)
Lemma count_compare k A A' : count k A = count k A' ->
  (forall j, (j < k)%nat -> A j = A' j) \/
  (exists i j, (i < k)%nat /\ (j < k)%nat /\ A i = true /\ A' i = false /\ A j = false /\ A' j = true).
Proof.
  assert (P : forall A A' : nat -> bool, (forall j, (j < k)%nat -> A j = true -> A' j = true) \/
    exists i, (i < k)%nat /\ A i = true /\ A' i = false).
  { clear. intros A A'. induction k as [|k IH]; [left; lia|].
    destruct IH as [IH|(i & Hi & H)]; [|right; exists i; split; [lia|easy]].
    destruct (bool_dec (A k) true) as [E|E]; [destruct (bool_dec (A' k) true) as [E'|E']|].
    2: right; exists k; split; [lia|split; [easy|now destruct (A' k)]].
    - left. intros j Hj Aj. destruct (Nat.eq_dec j k) as [->|]; [easy|apply IH; [lia|easy]].
    - left. intros j Hj Aj. destruct (Nat.eq_dec j k) as [->|]; [easy|apply IH; [lia|easy]]. }
  assert (mono : forall k (A A' : nat -> bool), (forall j, (j < k)%nat -> A j = true -> A' j = true) ->
    (count k A <= count k A')%nat /\
    (count k A = count k A' -> forall j, (j < k)%nat -> A j = A' j)).
  { clear. induction k as [|k IH]; intros A A' H; [split; [simpl; lia|intros; lia]|].
    destruct (IH A A') as [L E]; [intros; apply H; [lia|easy]|].
    assert (Hk := H k ltac:(lia)). simpl.
    destruct (A k) eqn:Ak; destruct (A' k) eqn:Ak'; try (specialize (Hk eq_refl); discriminate);
      (split; [lia|]); intros C j Hj; try lia;
      (destruct (Nat.eq_dec j k) as [->|]; [congruence|apply E; lia]). }
  intros C. destruct (P A A') as [Q|(i & Hi & A1 & A2)].
  - left. now apply (mono k A A').
  - destruct (P A' A) as [Q|(j & Hj & B1 & B2)].
    + left. intros j Hj. symmetry. now apply (mono k A' A).
    + right. exists i, j. easy.
Qed.

Theorem prop_maximum_norm :
  (* part 1 *)
  (forall (d n : nat) (rho delta : R) (F : ((nat -> R) -> bool) -> Prop),
    (0 < d)%nat ->  (* ours: in dimension 0 there are no two points *)
    0 < delta ->  (* ours: as in the definition of the data *)
    1 / 2 <= rho <= 1 ->  (* book: \rho\in[\frac12,1] *)
    robust_class (max_distance d) F n rho delta ->  (* book: $n$-robust interpolation class *)
    exists z, shatters F ((1 + Nat.log2 (d + 1)) * (n / 2) + n mod 2) z)
    (* book: \lfloor\frac n2\rfloor\bigl(1+\lfloor\log_2(d+1)\rfloor\bigr)+[n\text{ odd}] *)
  /\
  (* part 2 *)
  (forall (d k : nat) (rho delta : R) (z : nat -> nat -> R),
    (2 <= k)%nat ->  (* book: $k\ge2$ *)
    (forall v : nat -> bool, exists plus minus : nat -> R,
      (* book: *disjoint* closed balls *)
      (forall x, max_distance d x plus <= rho * delta -> max_distance d x minus <= rho * delta -> False)
      /\ forall j, (j < k)%nat ->
        max_distance d (z j) (if v j then plus else minus) <= rho * delta) ->
    (* book: points are shattered as in *)
    (2 ^ (k - 1) - 1 <= d * (k - 1))%nat).  (* book: $2^{k-1}-1\le d\,(k-1)$ *)
Proof.
  split.
  - intros d n rho delta F Hd Hdelta [Hr Hr1] HF.
    set (K := Nat.log2 (d + 1)).
    assert (HK : (2 ^ K <= d + 1)%nat) by (apply Nat.log2_spec; lia).
    set (dp := delta * Rmax 1 (1 / 2 + rho)).
    assert (D1 : delta <= dp).
    { unfold dp. assert (H := Rmax_l 1 (1 / 2 + rho)). nra. }
    assert (D1' : delta * (1 / 2 + rho) <= dp).
    { unfold dp. apply Rmult_le_compat_l; [lra|apply Rmax_r]. }
    assert (D2 : dp <= 2 * (rho * delta)).
    { unfold dp. assert (Rmax 1 (1 / 2 + rho) <= 2 * rho) by (apply Rmax_lub; lra). nra. }
    set (c := fun (r : R) (i l : nat) => if Nat.eqb l i then r else 0).
    set (z := fun j l => if Nat.ltb l (2 ^ K - 1)
      then (if same_part (S l) j then rho * delta else - (rho * delta)) else 0).
    set (o := fun (g l : nat) => if Nat.eqb l 0 then 40 * delta * INR g else 0).
    assert (shift : forall g x y,
      max_distance d (fun l => o g l + x l) (fun l => o g l + y l) = max_distance d x y).
    { intros. apply largest_ext. intros i. f_equal. ring. }
    assert (small : forall j l, Rabs (z j l) <= rho * delta).
    { intros j l. unfold z. destruct Nat.ltb; [|rewrite Rabs_R0; nra].
      destruct same_part; [|rewrite Rabs_Ropp]; rewrite Rabs_pos_eq; nra. }
    apply (shatters_groups (max_distance d) F n (1 + K) rho delta
      (fun g j l => o g l + z j l) o (fun g x => Rabs (x O - o g O) <= 10 * delta)); [lia| | | | |easy].
    + intros x y. apply largest_ext. intros i. apply Rabs_minus_sym.
    + intros g g' x x' Hg H H'. apply le_INR in Hg. rewrite S_INR in Hg. unfold o in *. simpl in *.
      apply Rlt_le_trans with (Rabs (x O - x' O));
        [|now apply (largest_ge d (fun i => Rabs (x i - x' i)))].
      rewrite Rabs_minus_sym. eapply Rlt_le_trans; [|apply Rle_abs].
      apply Rabs_le_between in H, H'. nra.
    + intros g. split; [rewrite Rminus_eq_0, Rabs_R0; lra|]. apply largest_le; [nra|].
      intros. rewrite Rminus_eq_0, Rabs_R0. nra.
    + intros g v.
      (* the split that the labelling makes *)
      destruct (code K (fun j => xorb (v (S j)) (v O))) as (s & Hs & Hbits).
      assert (Hv : forall j, (j < 1 + K)%nat -> v j = if same_part s j then v O else negb (v O)).
      { intros [|j] Hj; [easy|]. simpl. rewrite Hbits by lia. now destruct (v (S j)), (v O). }
      (* two points of the middle, moved to their group *)
      assert (moved : (exists plus minus : nat -> R,
        Rabs (plus O) <= 10 * delta /\ Rabs (minus O) <= 10 * delta /\
        2 * delta <= max_distance d plus minus /\ (rho = 1 -> 2 * delta < max_distance d plus minus) /\
        forall j, (j < 1 + K)%nat ->
          max_distance d (z j) (if v j then plus else minus) <= rho * delta) ->
        exists plus minus : nat -> R,
          Rabs (plus O - o g O) <= 10 * delta /\ Rabs (minus O - o g O) <= 10 * delta /\
          (2 * delta <= max_distance d plus minus /\ (rho = 1 -> 2 * delta < max_distance d plus minus)) /\
          forall j, (j < 1 + K)%nat ->
          max_distance d (fun l => o g l + z j l) (if v j then plus else minus) <= rho * delta).
      { intros (plus & minus & A & B & C & C' & D).
        exists (fun l => o g l + plus l), (fun l => o g l + minus l). rewrite shift.
        replace (o g O + plus O - o g O) with (plus O) by ring.
        replace (o g O + minus O - o g O) with (minus O) by ring.
        repeat split; try easy. intros j Hj. specialize (D j Hj). destruct (v j); now rewrite shift. }
      apply moved. clear moved.
      assert (apart : forall x y i, (i < d)%nat -> 2 * dp <= Rabs (x i - y i) ->
        2 * delta <= max_distance d x y /\ (rho = 1 -> 2 * delta < max_distance d x y)).
      { intros x y i Hi H. assert (L := largest_ge d (fun i => Rabs (x i - y i)) i Hi).
        fold (max_distance d x y) in L. cbv beta in L. split; [lra|]. intros ->. nra. }
      destruct s as [|i].
      * (* equal labels: one centre at 0, the other far away *)
        assert (All : forall j, (j < 1 + K)%nat -> v j = v O).
        { intros j Hj. rewrite (Hv j Hj). destruct j; [easy|]. simpl. now rewrite Nat.bits_0. }
        assert (N : forall j, max_distance d (z j) (fun _ => 0) <= rho * delta).
        { intros j. apply largest_le; [nra|]. intros. rewrite Rminus_0_r. apply small. }
        assert (F1 : Rabs (10 * delta) = 10 * delta) by (apply Rabs_pos_eq; lra).
        assert (Z := Rabs_R0).
        destruct (v O).
        -- exists (fun _ => 0), (c (10 * delta) O). unfold c at 1. rewrite Nat.eqb_refl, F1, Z.
           destruct (apart (fun _ => 0) (c (10 * delta) O) O Hd) as [A1 A2].
           { unfold c. rewrite Nat.eqb_refl, Rabs_minus_sym, Rminus_0_r, F1. nra. }
           repeat split; try easy; try lra. intros j Hj. rewrite (All j Hj). apply N.
        -- exists (c (10 * delta) O), (fun _ => 0). unfold c at 1. rewrite Nat.eqb_refl, F1, Z.
           destruct (apart (c (10 * delta) O) (fun _ => 0) O Hd) as [A1 A2].
           { unfold c. rewrite Nat.eqb_refl, Rminus_0_r, F1. nra. }
           repeat split; try easy; try lra. intros j Hj. rewrite (All j Hj). apply N.
      * (* coordinate i shows the split *)
        assert (Hi : (i < d)%nat) by lia.
        set (e := fun b : bool => if b then dp else - dp).
        assert (cO : forall b, Rabs (c (e b) i O) <= 10 * delta).
        { intros b. unfold c, e. destruct Nat.eqb; [|rewrite Rabs_R0; lra].
          destruct b; [|rewrite Rabs_Ropp]; rewrite Rabs_pos_eq; nra. }
        exists (c (e (v O)) i), (c (e (negb (v O))) i).
        destruct (apart (c (e (v O)) i) (c (e (negb (v O))) i) i Hi) as [A1 A2].
        { unfold c, e. rewrite Nat.eqb_refl. destruct (v O); simpl.
          - rewrite Rabs_pos_eq; lra.
          - rewrite Rabs_left; lra. }
        repeat split; try easy. intros j Hj.
        replace (if v j then c (e (v O)) i else c (e (negb (v O))) i)
          with (c (e (same_part (S i) j)) i).
        2: { rewrite (Hv j Hj). destruct same_part; destruct (v O); easy. }
        apply largest_le; [nra|]. intros l Hl. unfold c.
        destruct (Nat.eqb_spec l i) as [->|E]; [|rewrite Rminus_0_r; apply small].
        unfold z. replace (Nat.ltb i (2 ^ K - 1)) with true by (symmetry; apply Nat.ltb_lt; lia).
        unfold e. destruct same_part; apply Rabs_le; lra.
  - intros d k rho delta z Hk H. set (zeta := rho * delta) in *.
    (* disjoint boxes are apart in one coordinate, and the split is a threshold split there *)
    assert (T : forall s, exists ic : nat * (nat -> bool), (fst ic < d)%nat /\
      (exists b, forall j, (j < k)%nat -> snd ic j = Bool.eqb (same_part s j) b) /\
      forall j j', (j < k)%nat -> (j' < k)%nat -> snd ic j = true -> snd ic j' = false ->
        z j (fst ic) < z j' (fst ic)).
    { intros s. destruct (H (same_part s)) as (plus & minus & Hdis & Hnear).
      assert (Z : 0 <= zeta).
      { eapply Rle_trans; [|apply (Hnear O); lia]. apply largest_nonneg. }
      assert (C : (exists i, (i < d)%nat /\ 2 * zeta < Rabs (plus i - minus i)) \/
        forall i, (i < d)%nat -> Rabs (plus i - minus i) <= 2 * zeta).
      { clear. induction d as [|d IH]; [right; lia|].
        destruct IH as [(i & Hi & IH)|IH]; [left; exists i; split; [lia|easy]|].
        destruct (Rle_or_lt (Rabs (plus d - minus d)) (2 * zeta)).
        - right. intros i Hi. destruct (Nat.eq_dec i d) as [->|]; [easy|apply IH; lia].
        - left. exists d. split; [lia|easy]. }
      destruct C as [(i & Hi & C)|C].
      2: { exfalso. apply (Hdis (fun i => (plus i + minus i) / 2)); apply largest_le; try easy;
             intros i Hi; specialize (C i Hi); apply Rabs_le_between in C; apply Rabs_le; lra. }
      assert (near : forall j, (j < k)%nat ->
        - zeta <= z j i - (if same_part s j then plus i else minus i) <= zeta).
      { intros j Hj. apply Rabs_le_between. specialize (Hnear j Hj).
        apply (near_all d _ _ _ i) in Hnear; [|easy]. now destruct same_part. }
      destruct (Rlt_or_le (plus i) (minus i)) as [L|L].
      - exists (i, same_part s). cbn [fst snd]. split; [easy|]. split.
        + exists true. intros j _. now destruct same_part.
        + intros j j' Hj Hj' E E'. assert (N := near j Hj). assert (N' := near j' Hj').
          rewrite E in N. rewrite E' in N'. rewrite Rabs_left in C by lra. lra.
      - exists (i, fun j => negb (same_part s j)). cbn [fst snd]. split; [easy|]. split.
        + exists false. intros j _. now destruct same_part.
        + intros j j' Hj Hj' E E'. assert (N := near j Hj). assert (N' := near j' Hj').
          apply negb_true_iff in E. apply negb_false_iff in E'.
          rewrite E in N. rewrite E' in N'. rewrite Rabs_pos_eq in C by lra. lra. }
    destruct (finite_choice (2 ^ (k - 1) - 1) (fun s (ic : nat * (nat -> bool)) => (fst ic < d)%nat /\
      (exists b, forall j, (j < k)%nat -> snd ic j = Bool.eqb (same_part (S s) j) b) /\
      forall j j', (j < k)%nat -> (j' < k)%nat -> snd ic j = true -> snd ic j' = false ->
        z j (fst ic) < z j' (fst ic)) (O, fun _ => true)) as [g Hg]; [intros s _; apply T|].
    (* number the threshold splits: coordinate, and number of points below *)
    set (number := fun s => (fst (g s) * (k - 1) + (count k (snd (g s)) - 1))%nat).
    assert (range : forall s, (s < 2 ^ (k - 1) - 1)%nat -> (0 < count k (snd (g s)) < k)%nat).
    { intros s Hs. destruct (Hg s Hs) as (_ & (b & Hb) & _).
      destruct (split_different (k - 1) (S s) 0) as (j & Hj & D); [lia|lia|lia|].
      rewrite Nat.bits_0 in D. assert (E : Nat.testbit (S s) j = true) by (destruct Nat.testbit; easy).
      assert (E0 : same_part (S s) O = true) by easy.
      assert (E1 : same_part (S s) (S j) = false) by (simpl same_part; now rewrite E).
      assert (B0 := Hb O ltac:(lia)). assert (B1 := Hb (S j) ltac:(lia)). rewrite E0 in B0. rewrite E1 in B1.
      destruct b; simpl in B0, B1; [apply (count_range k _ O (S j))|apply (count_range k _ (S j) O)];
        first [lia|easy]. }
    apply (pigeonhole (2 ^ (k - 1) - 1) (d * (k - 1)) number).
    + intros s Hs. unfold number. assert (R := range s Hs). destruct (Hg s Hs) as (I & _). nia.
    + intros s s' Hss Hs' E. unfold number in E.
      assert (R := range s ltac:(lia)). assert (R' := range s' Hs').
      destruct (Hg s ltac:(lia)) as (_ & (b & Hb) & Th). destruct (Hg s' Hs') as (_ & (b' & Hb') & Th').
      assert (Ei : fst (g s) = fst (g s')) by nia.
      assert (Ec : count k (snd (g s)) = count k (snd (g s'))) by nia.
      destruct (count_compare k _ _ Ec) as [Same|(i & j & Hi & Hj & A1 & A2 & A3 & A4)].
      * (* the same set below, and point 0 says which part it is *)
        assert (B : b = b').
        { assert (S0 := Same O ltac:(lia)). rewrite (Hb O), (Hb' O) in S0 by lia. simpl in S0.
          now destruct b, b'. }
        destruct (split_different (k - 1) (S s) (S s')) as (l & Hl & D); [lia|lia|lia|].
        assert (S1 := Same (S l) ltac:(lia)). rewrite (Hb (S l)), (Hb' (S l)), <- B in S1 by lia.
        simpl same_part in S1. apply D.
        destruct (Nat.testbit (S s) l), (Nat.testbit (S s') l), b; easy.
      * (* a point i below j, and j below i *)
        assert (L := Th i j Hi Hj A1 A3). assert (L' := Th' j i Hj Hi A4 A2). rewrite <- Ei in L'. lra.
Qed.
