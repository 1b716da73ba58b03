(** Chapter 10, networks on a line: a change of labels costs a unit, and no more. *)

From Coq Require Import Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs.
Open Scope R_scope.

Definition relu (u : R) : R := Rmax 0 u.

(** k units of the two-layer ReLU network on a line, with biases. *)
Definition line_net (k : nat) (c : R) (a w b : nat -> R) (t : R) : R :=
  c + total k (fun r => a r * relu (w r * t + b r)).

(** The labels change s times: s + 1 points in order, with signs in turn. *)
Definition alternates (s : nat) (t : nat -> R) (f : R -> R) : Prop :=
  (forall i, (i < s)%nat -> t i < t (S i)) /\
  (forall i, (i < s)%nat -> f (t i) * f (t (S i)) < 0).

(** * Not fewer *)

Lemma relu_continuous u : continuous relu u.
Proof.
  apply (continuous_ext (fun u => (u + Rabs u) / 2)).
  - intros v. unfold relu, Rmax, Rabs. destruct Rle_dec, Rcase_abs; lra.
  - apply (continuous_scal_l (fun u => u + Rabs u) (/ 2)).
    apply (continuous_plus (fun u => u) Rabs); [apply continuous_id|apply continuous_Rabs].
Qed.

Lemma net_continuous k c a w b t : continuous (line_net k c a w b) t.
Proof.
  apply (continuous_plus (fun _ => c)); [apply continuous_const|].
  induction k as [|k IH]; [apply continuous_const|].
  apply (continuous_plus (fun t => total k (fun r => a r * relu (w r * t + b r)))); [exact IH|].
  apply (continuous_mult (fun _ => a k)); [apply continuous_const|].
  apply (continuous_comp (fun t => w k * t + b k) relu); [|apply relu_continuous].
  apply (ex_derive_continuous (fun t => w k * t + b k)). auto_derive. easy.
Qed.

(** Between points of opposite signs there is a zero. *)
Lemma zero_between k c a w b p q : p < q ->
  line_net k c a w b p * line_net k c a w b q < 0 ->
  exists z, p < z < q /\ line_net k c a w b z = 0.
Proof.
  intros Hpq H. set (f := line_net k c a w b) in *.
  assert (C : forall t, continuity_pt f t).
  { intros t. apply continuity_pt_filterlim, net_continuous. }
  destruct (IVT_gen f p q 0 C) as (z & Hz & Ez).
  { unfold Rmin, Rmax. destruct Rle_dec; nra. }
  exists z. split; [|easy]. rewrite Rmin_left, Rmax_right in Hz by lra.
  assert (z <> p) by (intros ->; rewrite Ez in H; lra).
  assert (z <> q) by (intros ->; rewrite Ez in H; lra). lra.
Qed.

(** A unit is affine between p and q unless its kink lies strictly between them. *)
Lemma unit_affine w b p t q : p < t < q -> 0 <= (w * p + b) * (w * q + b) ->
  (q - p) * relu (w * t + b) = (q - t) * relu (w * p + b) + (t - p) * relu (w * q + b).
Proof.
  intros Ht H. unfold relu.
  destruct (Rle_or_lt 0 (w * p + b)) as [A|A]; destruct (Rle_or_lt 0 (w * q + b)) as [B|B].
  - rewrite !Rmax_right; [ring|easy|easy|nra].
  - assert (E : w * p + b = 0) by nra. rewrite (Rmax_right 0 (w * p + b)) by lra.
    rewrite !Rmax_left; [rewrite E; ring|nra|nra].
  - assert (E : w * q + b = 0) by nra. rewrite (Rmax_right 0 (w * q + b)) by lra.
    rewrite !Rmax_left; [rewrite E; ring|nra|nra].
  - rewrite !Rmax_left; [ring|nra|nra|nra].
Qed.

(** Between neighbouring zeros with something else in between some unit has its kink. *)
Lemma kink_between k c a w b p t q : p < t < q ->
  line_net k c a w b p = 0 -> line_net k c a w b q = 0 -> line_net k c a w b t <> 0 ->
  exists r, (r < k)%nat /\ (w r * p + b r) * (w r * q + b r) < 0.
Proof.
  intros Ht Hp Hq Hn.
  assert (D : (exists r, (r < k)%nat /\ (w r * p + b r) * (w r * q + b r) < 0) \/
    (forall r, (r < k)%nat -> 0 <= (w r * p + b r) * (w r * q + b r))).
  { clear. induction k as [|k IH]; [right; lia|].
    destruct IH as [(r & Hr & H)|H]; [left; exists r; split; [lia|easy]|].
    destruct (Rlt_or_le ((w k * p + b k) * (w k * q + b k)) 0) as [L|L];
      [left; exists k; split; [lia|easy]|].
    right. intros r Hr. destruct (Nat.eq_dec r k) as [->|]; [easy|]. apply H. lia. }
  destruct D as [D|D]; [easy|exfalso]. apply Hn.
  assert (E : (q - p) * line_net k c a w b t =
    (q - t) * line_net k c a w b p + (t - p) * line_net k c a w b q).
  { unfold line_net.
    assert (T : (q - p) * total k (fun r => a r * relu (w r * t + b r)) =
      (q - t) * total k (fun r => a r * relu (w r * p + b r)) +
      (t - p) * total k (fun r => a r * relu (w r * q + b r))).
    { rewrite <- !total_scal, <- total_plus. apply total_ext. intros r Hr.
      assert (U := unit_affine (w r) (b r) p t q Ht (D r Hr)).
      replace ((q - p) * (a r * relu (w r * t + b r)))
        with (a r * ((q - p) * relu (w r * t + b r))) by ring. rewrite U. ring. }
    lra. }
  rewrite Hp, Hq in E. apply Rmult_eq_reg_l with (q - p); lra.
Qed.

(** s - 1 zeros after the first, and between neighbours a kink, each of another unit. *)
Lemma zeros_and_kinks k s c a w b t : alternates s t (line_net k c a w b) ->
  exists (z : nat -> R) (r : nat -> nat),
  (forall i, (i < s)%nat -> t i < z i < t (S i) /\ line_net k c a w b (z i) = 0) /\
  (forall i, (i < s - 1)%nat -> (r i < k)%nat /\
    (w (r i) * z i + b (r i)) * (w (r i) * z (S i) + b (r i)) < 0) /\
  (forall i j, (i < j)%nat -> (j < s - 1)%nat -> r i <> r j).
Proof.
  intros [Hord Halt]. set (f := line_net k c a w b) in *.
  (* a zero between any two neighbours of different labels *)
  destruct (finite_choice s (fun i z => t i < z < t (S i) /\ f z = 0) 0) as [z Hz].
  { intros i Hi. apply zero_between; auto. }
  assert (mono : forall i j, (i < j)%nat -> (j < s)%nat -> z i < z j).
  { intros i j Hij. induction j as [|j IH]; intros Hj; [lia|].
    assert (A := proj1 (Hz (S j) Hj)). assert (B := proj1 (Hz j ltac:(lia))).
    destruct (Nat.eq_dec i j) as [->|]; [lra|]. specialize (IH ltac:(lia) ltac:(lia)). lra. }
  (* between two neighbouring zeros a kink *)
  destruct (finite_choice (s - 1) (fun i r => (r < k)%nat /\
    (w r * z i + b r) * (w r * z (S i) + b r) < 0) O) as [r Hr].
  { intros i Hi. apply (kink_between k c a w b (z i) (t (S i)) (z (S i))).
    - assert (A := proj1 (Hz i ltac:(lia))). assert (B := proj1 (Hz (S i) ltac:(lia))). lra.
    - apply Hz. lia.
    - apply Hz. lia.
    - assert (A := Halt i ltac:(lia)). fold f. intros E. rewrite E in A. lra. }
  exists z, r. split; [easy|split; [easy|]].
  (* different intervals have different kinks: a unit has one *)
  intros i j Hij Hj E. destruct (Hr i ltac:(lia)) as [_ A]. destruct (Hr j Hj) as [_ B].
  rewrite <- E in B. set (w' := w (r i)) in *. set (b' := b (r i)) in *.
  assert (M1 := mono i (S i) ltac:(lia) ltac:(lia)).
  assert (M2 := mono j (S j) ltac:(lia) ltac:(lia)).
  assert (M3 : z (S i) <= z j).
  { destruct (Nat.eq_dec (S i) j) as [->|]; [lra|]. apply Rlt_le, mono; lia. }
  assert (opposite : forall p q, p * q < 0 -> p <= q -> p < 0 < q).
  { intros p q H L. destruct (Rlt_or_le p 0); destruct (Rlt_or_le 0 q); try easy; nra. }
  destruct (Rle_or_lt 0 w') as [W|W].
  - assert (P1 := opposite _ _ A ltac:(nra)). assert (P2 := opposite _ _ B ltac:(nra)).
    assert (w' * z (S i) <= w' * z j) by (apply Rmult_le_compat_l; lra). lra.
  - rewrite Rmult_comm in A, B.
    assert (P1 := opposite _ _ A ltac:(nra)). assert (P2 := opposite _ _ B ltac:(nra)).
    assert (w' * z j <= w' * z (S i)) by (apply Rmult_le_compat_neg_l; lra). lra.
Qed.

Lemma at_least_changes_less_one k s c a w b t :
  alternates s t (line_net k c a w b) -> (s - 1 <= k)%nat.
Proof.
  intros H. destruct (zeros_and_kinks _ _ _ _ _ _ _ H) as (z & r & _ & Hr & Hinj).
  apply (pigeonhole (s - 1) k r); [intros i Hi; now apply Hr|exact Hinj].
Qed.

(** The least width for s changes. *)
Definition width (s : nat) : nat := if Nat.leb s 3 then s else (s - 1)%nat.

Lemma relu_monotone u v : u <= v -> relu u <= relu v.
Proof. intros H. unfold relu, Rmax. destruct (Rle_dec 0 u), (Rle_dec 0 v); lra. Qed.

(** One unit is monotone. *)
Lemma one_unit c a w b t : alternates 2 t (line_net 1 c a w b) -> False.
Proof.
  intros [Hord Halt]. assert (O0 := Hord 0%nat ltac:(lia)). assert (O1 := Hord 1%nat ltac:(lia)).
  assert (A0 := Halt 0%nat ltac:(lia)). assert (A1 := Halt 1%nat ltac:(lia)).
  unfold line_net in *. simpl in *.
  assert (M : forall p q, p <= q -> 0 <= w 0%nat -> w 0%nat * p + b 0%nat <= w 0%nat * q + b 0%nat)
    by (intros; nra).
  assert (M' : forall p q, p <= q -> w 0%nat <= 0 -> w 0%nat * q + b 0%nat <= w 0%nat * p + b 0%nat)
    by (intros; nra).
  assert (P : 0 <= (relu (w 0%nat * t 1%nat + b 0%nat) - relu (w 0%nat * t 0%nat + b 0%nat)) *
    (relu (w 0%nat * t 2%nat + b 0%nat) - relu (w 0%nat * t 1%nat + b 0%nat))).
  { destruct (Rle_or_lt 0 (w 0%nat)).
    - apply Rmult_le_pos; apply Rge_le, Rge_minus, Rle_ge, relu_monotone, M; lra.
    - assert (R0 := relu_monotone _ _ (M' (t 0%nat) (t 1%nat) ltac:(lra) ltac:(lra))).
      assert (R1 := relu_monotone _ _ (M' (t 1%nat) (t 2%nat) ltac:(lra) ltac:(lra))). nra. }
  set (u0 := relu (w 0%nat * t 0%nat + b 0%nat)) in *.
  set (u1 := relu (w 0%nat * t 1%nat + b 0%nat)) in *.
  set (u2 := relu (w 0%nat * t 2%nat + b 0%nat)) in *.
  set (f0 := c + (0 + a 0%nat * u0)) in *. set (f1 := c + (0 + a 0%nat * u1)) in *.
  set (f2 := c + (0 + a 0%nat * u2)) in *.
  assert (Q : 0 <= (f1 - f0) * (f2 - f1)).
  { replace ((f1 - f0) * (f2 - f1)) with (a 0%nat ^ 2 * ((u1 - u0) * (u2 - u1)))
      by (unfold f0, f1, f2; ring). apply Rmult_le_pos; [apply pow2_ge_0|easy]. }
  nra.
Qed.

(** Two units do not change the sign three times: p and q are the units whose kinks lie
    between the first two and between the last two zeros. *)
Lemma two_kinks (c a w b a' w' b' t0 z0 z1 z2 t3 : R) :
  let f t := c + a * relu (w * t + b) + a' * relu (w' * t + b') in
  t0 < z0 -> z0 < z1 -> z1 < z2 -> z2 < t3 -> f z0 = 0 -> f z1 = 0 -> f z2 = 0 ->
  (w * z0 + b) * (w * z1 + b) < 0 -> (w' * z1 + b') * (w' * z2 + b') < 0 ->
  f t0 * f t3 < 0 -> False.
Proof.
  intros f H0 H1 H2 H3 E0 E1 E2 K K' Hf.
  assert (on : forall u, 0 <= u -> relu u = u) by (intros; unfold relu; now apply Rmax_right).
  assert (off : forall u, u <= 0 -> relu u = 0) by (intros; unfold relu; now apply Rmax_left).
  assert (up : forall w b p q, 0 <= w -> p < q -> w * p + b <= w * q + b) by (intros; nra).
  assert (down : forall w b p q, w < 0 -> p < q -> w * q + b <= w * p + b) by (intros; nra).
  assert (signs : forall p q, p * q < 0 -> p <= q -> p < 0 < q).
  { intros p q H L. destruct (Rlt_or_le p 0); destruct (Rlt_or_le 0 q); try easy; nra. }
  assert (signs' : forall p q, p * q < 0 -> q <= p -> q < 0 < p).
  { intros p q H L. apply signs; [now rewrite Rmult_comm|easy]. }
  unfold f in *.
  destruct (Rle_or_lt 0 w) as [W|W]; destruct (Rle_or_lt 0 w') as [W'|W'].
  - (* both to the right: nothing moves before the first kink *)
    assert (U0 := up w b t0 z0 W ltac:(lra)).
    assert (U1 := up w b z0 z1 W ltac:(lra)).
    assert (U2 := up w b z1 z2 W ltac:(lra)).
    assert (U3 := up w b z2 t3 W ltac:(lra)).
    assert (V0 := up w' b' t0 z0 W' ltac:(lra)).
    assert (V1 := up w' b' z0 z1 W' ltac:(lra)).
    assert (V2 := up w' b' z1 z2 W' ltac:(lra)).
    assert (V3 := up w' b' z2 t3 W' ltac:(lra)).
    destruct (signs _ _ K U1) as [NK PK].
    destruct (signs _ _ K' V2) as [NK' PK'].
    rewrite (off (w * z0 + b)), (off (w' * z0 + b')) in E0 by lra.
    rewrite (off (w * t0 + b)), (off (w' * t0 + b')) in Hf by lra.
    replace (c + a * 0 + a' * 0) with 0 in Hf by lra. lra.
  - (* away from each other: constant on the middle piece, which has a zero *)
    assert (U0 := up w b t0 z0 W ltac:(lra)).
    assert (U1 := up w b z0 z1 W ltac:(lra)).
    assert (U2 := up w b z1 z2 W ltac:(lra)).
    assert (U3 := up w b z2 t3 W ltac:(lra)).
    assert (V0 := down w' b' t0 z0 W' ltac:(lra)).
    assert (V1 := down w' b' z0 z1 W' ltac:(lra)).
    assert (V2 := down w' b' z1 z2 W' ltac:(lra)).
    assert (V3 := down w' b' z2 t3 W' ltac:(lra)).
    destruct (signs _ _ K U1) as [NK PK].
    destruct (signs' _ _ K' V2) as [NK' PK'].
    rewrite (off (w * z0 + b)), (on (w' * z0 + b')) in E0 by lra.
    rewrite (on (w * z1 + b)), (on (w' * z1 + b')) in E1 by lra.
    rewrite (on (w * z2 + b)), (off (w' * z2 + b')) in E2 by lra.
    rewrite (off (w * t0 + b)), (on (w' * t0 + b')), (on (w * t3 + b)), (off (w' * t3 + b')) in Hf by lra.
    assert (F0 : c + a * 0 + a' * (w' * t0 + b') = a' * w' * (t0 - z0)) by lra.
    assert (F3 : c + a * (w * t3 + b) + a' * 0 = a * w * (t3 - z2)) by lra.
    rewrite F0, F3 in Hf.
    assert (G1 : a * (w * z1 + b) = - (a' * w') * (z1 - z0)) by lra.
    assert (Wp : 0 < w) by nra.
    set (beta := a' * w') in *. set (P := w * z1 + b) in *.
    assert (G2 : a * w * P = - beta * (z1 - z0) * w) by (rewrite <- G1; ring).
    assert (G3 : 0 < (a * w) * beta).
    { assert (0 < (z0 - t0) * (t3 - z2)) by (apply Rmult_lt_0_compat; lra).
      replace (beta * (t0 - z0) * (a * w * (t3 - z2)))
        with (- ((a * w) * beta) * ((z0 - t0) * (t3 - z2))) in Hf by ring. nra. }
    assert (G4 : a * w * beta * P = - (beta ^ 2 * ((z1 - z0) * w))).
    { replace (a * w * beta * P) with (beta * (a * w * P)) by ring. rewrite G2. ring. }
    assert (0 < a * w * beta * P) by (apply Rmult_lt_0_compat; lra).
    assert (0 <= beta ^ 2 * ((z1 - z0) * w)) by (apply Rmult_le_pos; [apply pow2_ge_0|nra]). lra.
  - (* towards each other *)
    assert (U0 := down w b t0 z0 W ltac:(lra)).
    assert (U1 := down w b z0 z1 W ltac:(lra)).
    assert (U2 := down w b z1 z2 W ltac:(lra)).
    assert (U3 := down w b z2 t3 W ltac:(lra)).
    assert (V0 := up w' b' t0 z0 W' ltac:(lra)).
    assert (V1 := up w' b' z0 z1 W' ltac:(lra)).
    assert (V2 := up w' b' z1 z2 W' ltac:(lra)).
    assert (V3 := up w' b' z2 t3 W' ltac:(lra)).
    destruct (signs' _ _ K U1) as [NK PK].
    destruct (signs _ _ K' V2) as [NK' PK'].
    rewrite (off (w * z1 + b)), (off (w' * z1 + b')) in E1 by lra.
    rewrite (on (w * z0 + b)), (off (w' * z0 + b')) in E0 by lra.
    assert (Ea : a = 0) by nra.
    rewrite (off (w' * t0 + b')), Ea in Hf by lra.
    replace (c + 0 * relu (w * t0 + b) + a' * 0) with 0 in Hf by lra. lra.
  - (* both to the left: nothing moves after the last kink *)
    assert (U0 := down w b t0 z0 W ltac:(lra)).
    assert (U1 := down w b z0 z1 W ltac:(lra)).
    assert (U2 := down w b z1 z2 W ltac:(lra)).
    assert (U3 := down w b z2 t3 W ltac:(lra)).
    assert (V0 := down w' b' t0 z0 W' ltac:(lra)).
    assert (V1 := down w' b' z0 z1 W' ltac:(lra)).
    assert (V2 := down w' b' z1 z2 W' ltac:(lra)).
    assert (V3 := down w' b' z2 t3 W' ltac:(lra)).
    destruct (signs' _ _ K U1) as [NK PK].
    destruct (signs' _ _ K' V2) as [NK' PK'].
    rewrite (off (w * z2 + b)), (off (w' * z2 + b')) in E2 by lra.
    rewrite (off (w * t3 + b)), (off (w' * t3 + b')) in Hf by lra.
    replace (c + a * 0 + a' * 0) with 0 in Hf by lra. lra.
Qed.

Lemma two_units c a w b t : alternates 3 t (line_net 2 c a w b) -> False.
Proof.
  intros H. destruct (zeros_and_kinks _ _ _ _ _ _ _ H) as (z & r & Hz & Hr & Hinj).
  destruct H as [Hord Halt].
  destruct (Hz 0%nat ltac:(lia)) as [L0 E0]. destruct (Hz 1%nat ltac:(lia)) as [L1 E1].
  destruct (Hz 2%nat ltac:(lia)) as [L2 E2].
  assert (A0 := Halt 0%nat ltac:(lia)). assert (A1 := Halt 1%nat ltac:(lia)).
  assert (A2 := Halt 2%nat ltac:(lia)).
  destruct (Hr 0%nat ltac:(lia)) as [R0 K0]. destruct (Hr 1%nat ltac:(lia)) as [R1 K1].
  assert (D := Hinj 0%nat 1%nat ltac:(lia) ltac:(lia)).
  assert (F : line_net 2 c a w b (t 0%nat) * line_net 2 c a w b (t 3%nat) < 0) by nra.
  set (p := r 0%nat) in *. set (q := r 1%nat) in *.
  assert (sum : forall t, line_net 2 c a w b t =
    c + a p * relu (w p * t + b p) + a q * relu (w q * t + b q)).
  { intros u. unfold line_net. simpl.
    assert (C : (p = 0 /\ q = 1 \/ p = 1 /\ q = 0)%nat) by lia.
    destruct C as [[-> ->]|[-> ->]]; ring. }
  rewrite !sum in F. rewrite sum in E0, E1, E2.
  apply (two_kinks c (a p) (w p) (b p) (a q) (w q) (b q) (t 0%nat) (z 0%nat) (z 1%nat) (z 2%nat) (t 3%nat));
    easy || lra.
Qed.

Lemma not_fewer k s c a w b t : alternates s t (line_net k c a w b) -> (width s <= k)%nat.
Proof.
  intros H. assert (B := at_least_changes_less_one _ _ _ _ _ _ _ H). unfold width.
  destruct (Nat.leb_spec s 3) as [S|S]; [|easy].
  destruct s as [|[|[|[|s]]]]; try lia.
  - destruct k as [|k]; [|lia]. destruct H as [_ H]. specialize (H 0%nat ltac:(lia)).
    unfold line_net in H. simpl in H. nra.
  - destruct k as [|[|k]]; try lia. now destruct (one_unit c a w b t).
  - destruct k as [|[|[|k]]]; try lia. now destruct (two_units c a w b t).
Qed.

(** * Enough *)

(** The slopes of the pieces: 1, -1, 1/2, -1/2, 1/2, ... *)
Definition alt (j : nat) : R := if Nat.even j then 1 else -1.
Definition slope_of (j : nat) : R := if Nat.ltb j 2 then alt j else alt j / 2.

Lemma alt_next j : alt (S j) = - alt j.
Proof.
  unfold alt. rewrite Nat.even_succ, <- Nat.negb_even. destruct (Nat.even j); simpl; ring.
Qed.

Lemma alt_cases j : alt j = 1 \/ alt j = -1.
Proof. unfold alt. destruct (Nat.even j); auto. Qed.

Lemma alt_slope j : 0 < alt j * slope_of j.
Proof. unfold slope_of. destruct (alt_cases j) as [-> | ->]; destruct Nat.ltb; lra. Qed.

Section Pieces.
Variables (n : nat) (c : nat -> R).
Hypothesis increasing : forall j, (j < n)%nat -> c j < c (S j).

(** Where the pieces through the zeros c j and c (j + 1) meet. *)
Definition kink (j : nat) : R :=
  (slope_of j * c j - slope_of (S j) * c (S j)) / (slope_of j - slope_of (S j)).
Definition jump (j : nat) : R := slope_of (S j) - slope_of j.

Lemma kink_range j : (j < n)%nat -> c j < kink j < c (S j) /\
  slope_of j * (kink j - c j) = slope_of (S j) * (kink j - c (S j)).
Proof.
  intros Hj. assert (I := increasing j Hj). assert (A := alt_slope j). assert (A' := alt_slope (S j)).
  rewrite alt_next in A'. unfold kink.
  set (p := slope_of j) in *. set (q := slope_of (S j)) in *.
  destruct (alt_cases j) as [E|E]; rewrite E in *.
  - assert (D : 0 < p - q) by lra. split; [split|field; lra].
    + apply Rmult_lt_reg_r with (p - q); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
    + apply Rmult_lt_reg_r with (p - q); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
  - assert (D : 0 < q - p) by lra.
    replace ((p * c j - q * c (S j)) / (p - q))
      with ((q * c (S j) - p * c j) / (q - p)) by (field; lra).
    split; [split|field; lra].
    + apply Rmult_lt_reg_r with (q - p); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
    + apply Rmult_lt_reg_r with (q - p); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

Definition broken (m : nat) (x : R) : R :=
  slope_of 0 * (x - c 0%nat) + total m (fun j => jump j * relu (x - kink j)).

(** After the first m kinks it is the piece through the zero c m. *)
Lemma broken_after m x : (m <= n)%nat -> (forall j, (j < m)%nat -> kink j <= x) ->
  broken m x = slope_of m * (x - c m).
Proof.
  induction m as [|m IH]; intros Hm Hx.
  - unfold broken. cbn [total]. ring.
  - assert (K := kink_range m ltac:(lia)). assert (Hk := Hx m ltac:(lia)).
    assert (E : broken m x = slope_of m * (x - c m)) by (apply IH; [lia|intros; apply Hx; lia]).
    unfold broken in *. cbn [total]. rewrite <- Rplus_assoc, E. unfold relu.
    rewrite Rmax_right by lra. unfold jump. lra.
Qed.

Lemma kinks_increase i j : (i <= j)%nat -> (j < n)%nat -> kink i <= kink j.
Proof.
  intros Hij. induction j as [|j IH]; intros Hj; [replace i with O by lia; lra|].
  destruct (Nat.eq_dec i (S j)) as [->|]; [lra|].
  assert (K := kink_range j ltac:(lia)). assert (K' := kink_range (S j) Hj).
  specialize (IH ltac:(lia) ltac:(lia)). lra.
Qed.

(** Between the kinks around it, and beyond the first and last kink, the piece through c m. *)
Lemma broken_piece m x : (m <= n)%nat -> (forall j, (j < m)%nat -> kink j <= x) ->
  (forall j, (m <= j)%nat -> (j < n)%nat -> x <= kink j) -> broken n x = slope_of m * (x - c m).
Proof.
  intros Hm Hx Hx'. rewrite <- broken_after by easy. unfold broken. f_equal.
  assert (T : forall d, (m + d <= n)%nat ->
    total (m + d) (fun j => jump j * relu (x - kink j)) = total m (fun j => jump j * relu (x - kink j))).
  { induction d as [|d IH]; intros Hd; [now rewrite Nat.add_0_r|].
    rewrite Nat.add_succ_r. cbn [total]. rewrite IH by lia.
    assert (H := Hx' (m + d)%nat ltac:(lia) ltac:(lia)). unfold relu. rewrite Rmax_left by lra. ring. }
  replace n with (m + (n - m))%nat at 1 by lia. apply T. lia.
Qed.

(** Between two neighbouring zeros it has the sign of alt, negative before the first. *)
Lemma broken_sign r x : (r <= S n)%nat -> (forall j, j = pred r -> (0 < r)%nat -> c j < x) ->
  ((r <= n)%nat -> x < c r) -> 0 < - alt r * broken n x.
Proof.
  intros Hr H1 H2.
  assert (piece : forall m, (m <= n)%nat -> (m = r /\ x < c m \/ S m = r /\ c m < x) ->
    0 < - alt r * (slope_of m * (x - c m))).
  { intros m _ [[E H]|[E H]]; subst r.
    - assert (A := alt_slope m). destruct (alt_cases m) as [E0|E0]; rewrite E0 in *; nra.
    - rewrite alt_next. assert (A := alt_slope m). destruct (alt_cases m) as [E0|E0]; rewrite E0 in *; nra. }
  destruct r as [|r].
  - rewrite (broken_piece 0 x); [apply piece; [lia|left; split; [easy|apply H2; lia]]|lia|lia|].
    intros j _ Hj. assert (K := kink_range j Hj). assert (K0 := kink_range 0 ltac:(lia)).
    assert (M := kinks_increase 0 j ltac:(lia) Hj). specialize (H2 ltac:(lia)). lra.
  - assert (C := H1 r eq_refl ltac:(lia)).
    assert (before : forall j, (j < r)%nat -> kink j <= x).
    { intros j Hj. assert (K := kink_range (pred r) ltac:(lia)).
      replace (S (pred r)) with r in K by lia.
      assert (M := kinks_increase j (pred r) ltac:(lia) ltac:(lia)). lra. }
    destruct (Nat.eq_dec r n) as [E|E].
    + rewrite (broken_piece r x); [apply piece; [lia|right; now split]|lia|easy|lia].
    + specialize (H2 ltac:(lia)). destruct (Rle_or_lt x (kink r)) as [L|L].
      * rewrite (broken_piece r x); [apply piece; [lia|right; now split]|lia|easy|].
        intros j Hj Hjn. assert (M := kinks_increase r j Hj Hjn). lra.
      * rewrite (broken_piece (S r) x); [apply piece; [lia|left; now split]|lia| |].
        -- intros j Hj. assert (M := kinks_increase j r ltac:(lia) ltac:(lia)). lra.
        -- intros j Hj Hjn. assert (K := kink_range j Hjn).
           assert (M := kinks_increase (S r) j Hj Hjn).
           assert (K' := kink_range (S r) ltac:(lia)). lra.
Qed.

(** From three kinks on it is a network: the third unit points to the left. *)
Lemma broken_net : (3 <= n)%nat -> exists c0 a w b, forall x, line_net n c0 a w b x = broken n x.
Proof.
  intros Hn. exists (kink 2 - c 0%nat), jump, (fun j => if Nat.eqb j 2 then -1 else 1),
    (fun j => if Nat.eqb j 2 then kink 2 else - kink j).
  intros x. unfold line_net, broken.
  rewrite (total_ext n _ (fun j => jump j * relu (x - kink j)
    + (if Nat.eqb j 2 then 1 else 0) * (jump 2 * (kink 2 - x)))).
  - rewrite total_plus, total_pick by lia. unfold jump, slope_of, alt. simpl. field.
  - intros j Hj. destruct (Nat.eqb_spec j 2) as [->|E].
    + unfold relu. destruct (Rle_or_lt x (kink 2)).
      * rewrite Rmax_right, Rmax_left by lra. ring.
      * rewrite Rmax_left, Rmax_right by lra. ring.
    + replace (1 * x + - kink j) with (x - kink j) by ring. ring.
Qed.

End Pieces.

(** A net of the least width with s given zeros; bounded from above only for three. *)
Lemma zeros_net s (c : nat -> R) (top : R) : (forall j, (S j < s)%nat -> c j < c (S j)) ->
  exists c0 a w b, forall r x, (r <= s)%nat -> x <= top ->
    ((0 < r)%nat -> c (pred r) < x) -> ((r < s)%nat -> x < c r) ->
    0 < - alt r * line_net (width s) c0 a w b x.
Proof.
  intros Hc. destruct s as [|[|[|[|s]]]].
  - exists (-1), (fun _ => 0), (fun _ => 0), (fun _ => 0). intros r x Hr _ _ _.
    replace r with O by lia. unfold line_net, alt. simpl. lra.
  - exists (-1), (fun _ => 1), (fun _ => 1), (fun _ => 1 - c 0%nat). intros r x Hr _ H1 H2.
    unfold line_net, alt, relu. simpl width. cbn [total]. destruct r as [|r].
    + specialize (H2 ltac:(lia)). simpl. unfold Rmax. destruct Rle_dec; lra.
    + specialize (H1 ltac:(lia)). replace r with O in * by lia. simpl in *.
      rewrite Rmax_right; lra.
  - assert (C := Hc 0%nat ltac:(lia)). set (q := (c 0%nat + c 1%nat) / 2).
    set (h := (c 1%nat - c 0%nat) / 2). assert (Hh : 0 < h) by (unfold h; lra).
    exists 1, (fun _ => - / h), (fun j => if Nat.eqb j 0 then -1 else 1),
      (fun j => if Nat.eqb j 0 then q else - q). intros r x Hr _ H1 H2.
    assert (E : line_net (width 2) 1 (fun _ => - / h) (fun j => if Nat.eqb j 0 then -1 else 1)
      (fun j => if Nat.eqb j 0 then q else - q) x = / h * (h - Rabs (x - q))).
    { unfold line_net, relu. simpl. unfold Rabs. destruct Rcase_abs.
      - rewrite Rmax_right, Rmax_left by lra. field. lra.
      - rewrite Rmax_left, Rmax_right by lra. field. lra. }
    rewrite E. assert (I := Rinv_0_lt_compat h Hh).
    assert (out : forall u, 0 < u -> 0 < / h * u) by (intros; now apply Rmult_lt_0_compat).
    destruct r as [|[|[|r]]]; try lia; unfold alt; simpl in *.
    + specialize (H2 ltac:(lia)). rewrite Rabs_left by (unfold q; lra).
      replace (_ * _) with (/ h * (- h + - (x - q))) by ring. apply out. unfold h, q. lra.
    + specialize (H1 ltac:(lia)). specialize (H2 ltac:(lia)).
      replace (_ * _) with (/ h * (h - Rabs (x - q))) by ring. apply out.
      assert (Rabs (x - q) < h); [|lra]. apply Rabs_def1; unfold h, q; lra.
    + specialize (H1 ltac:(lia)). rewrite Rabs_pos_eq by (unfold q; lra).
      replace (_ * _) with (/ h * (- h + (x - q))) by ring. apply out. unfold h, q. lra.
  - (* a fourth zero beyond everything *)
    set (c' := fun j => if Nat.leb j 2 then c j else Rmax top (c 2%nat) + 1).
    assert (I : forall j, (j < 3)%nat -> c' j < c' (S j)).
    { intros j Hj. unfold c'. destruct j as [|[|[|j]]]; simpl; try (apply Hc; lia); [|lia].
      assert (H := Rmax_r top (c 2%nat)). lra. }
    destruct (broken_net 3 c' ltac:(lia)) as (c0 & a & w & b & E).
    exists c0, a, w, b. intros r x Hr Hx H1 H2. unfold width. simpl Nat.leb. cbn iota. rewrite E.
    apply broken_sign; [easy|lia| |].
    + intros j -> H. unfold c'. replace (Nat.leb (pred r) 2) with true by (symmetry; apply Nat.leb_le; lia).
      now apply H1.
    + intros H. unfold c'. destruct (Nat.leb_spec r 2); [apply H2; lia|].
      assert (M := Rmax_l top (c 2%nat)). lra.
  - set (n := (S (S (S s)))%nat).
    assert (I : forall j, (j < n)%nat -> c j < c (S j)) by (intros; apply Hc; unfold n in *; lia).
    destruct (broken_net n c ltac:(unfold n; lia)) as (c0 & a & w & b & E).
    exists c0, a, w, b. intros r x Hr Hx H1 H2. replace (width (S (S (S (S s))))) with n by easy.
    rewrite E. apply broken_sign; [easy|unfold n; lia| |].
    + intros j -> H. now apply H1.
    + intros H. apply H2. unfold n in H. lia.
Qed.

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
    intros k c a w b Hright. change width with (prop_line.width s).
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
  - change width with (prop_line.width s).
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
    assert (scale : line_net (prop_line.width s) (e * c) (fun r => e * a r) w b x =
      e * line_net (prop_line.width s) c a w b x).
    { unfold line_net. rewrite Rmult_plus_distr_l. f_equal. rewrite <- total_scal.
      apply total_ext. intros. ring. }
    assert (N : 0 < - alt (changes i y) * line_net (prop_line.width s) c a w b x).
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
