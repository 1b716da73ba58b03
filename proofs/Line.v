(** Chapter 10: networks on a line, and that a change of labels costs a unit. *)

From Coq Require Import Reals Lra Lia.
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
